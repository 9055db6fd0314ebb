from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildsys import image as im
from buildsys.diagnostics import Refused, Spot
from buildsys.image import Image, ImageSet
from buildsys.plan.compile import compile_plan
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve

APP = """\
image: app
from: base
uses: [web]
accounts: {app: {uid: 1}}
repositories: {own: {file: /own.repo, options: {name: own}}}
before: [{touch: /own}]
packages: [httpd, mod_ssl]
steps: [{mkdir: /own}]
user: app
cmd: [app]
env: {A: app, B: app}
labels: {a: app}
ports: ["80/tcp"]
volumes: [/srv]
"""
WEB = "trait: web\npackages: [web]\nhealthcheck: /bin/check\nlabels: {web: web}\n"
OTHER = "image: other\nfrom: base\nuses: [web]\n"

Overlaid = Callable[..., ImageSet]


@pytest.fixture
def overlaid(
    write_set: Callable[[Mapping[str, str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Overlaid:
    """Resolve the set with overlays laid over it, in order."""

    def run(*texts: str) -> ImageSet:
        folder = write_set({"images/app.yaml": APP, "images/other.yaml": OTHER, "traits/web.yaml": WEB})
        monkeypatch.chdir(tmp_path)
        files = []
        for number, text in enumerate(texts, 1):
            files.append(Path(f"over{number}.yaml"))
            files[-1].write_text(f"overlay: over{number}\n{text}")
        assert folder.is_dir()
        return resolve(load_set(Path("demo"), files), site=None, variables={}, stand_ins=None)

    return run


SITES = """\
sites:
  here:
    repositories:
      far: {url: "http://mirror.example.org/far", gpgcheck: false}
      closed: {url: "http://mirror.example.org/closed", key: "http://mirror.example.org/key"}
    downloads:
      https://example.org/a: {file: a}
    gems: gems
"""
AT_HOME = """\
site: here
installer: dnf
base: {bootstrap: [bash]}
repositories:
  near: {url: "https://example.org/near", gpgcheck: false}
  far: {url: "https://example.org/far", gpgcheck: false}
left-out: {closed: {because: it is shut, packages: [web]}, old: gone}
downloads: {https://example.org/a: {unverified: true}}
"""


def test_a_site_gets_more(write_set: Callable[[Mapping[str, str]], Path], tmp_path: Path) -> None:
    files = {
        "sites/here.yaml": AT_HOME,
        "sites/there.yaml": AT_HOME.replace("site: here", "site: there"),
        "images/app.yaml": "image: app\nfrom: base\npackages: [web]\nsteps: [{gems: [rake]}]\n",
        "a": "a",
        "gems/rake-12.0.gem": "rake",
    }
    overlay = tmp_path / "over.yaml"
    overlay.write_text(f"overlay: over\n{SITES}")
    library = load_set(write_set(files), [overlay])
    here = resolve(library, site="here", variables={}, stand_ins=None)
    there = resolve(library, site="there", variables={}, stand_ins=None)
    assert [(item.id, item.url, item.key) for item in here.site.repositories] == [
        ("near", "https://example.org/near", ""),
        ("far", "http://mirror.example.org/far", ""),
        ("closed", "http://mirror.example.org/closed", "http://mirror.example.org/key"),
    ]
    assert {url: Path(file).name for url, file in here.site.downloads.items()} == {
        "https://example.org/a": "a"
    }
    assert [Path(file).name for file in here.site.gems] == ["rake-12.0.gem"]
    assert (here.site.left_out, there.site.left_out) == (("old",), ("closed", "old"))
    assert (set(here.absent), set(there.absent)) == (set(), {"app"})
    assert [item.id for item in there.site.repositories] == ["near", "far"]


def app(image_set: ImageSet) -> Image:
    return image_set.images["app"]


def names(image: Image) -> list[str]:
    return [
        item.name for step in image.instructions if isinstance(step, im.Install) for item in step.packages
    ]


def test_an_empty_overlay_changes_nothing(overlaid: Overlaid) -> None:
    assert overlaid("") == overlaid()


def test_packages(overlaid: Overlaid) -> None:
    image = app(overlaid("images: {app: {packages: {append: [new, httpd], remove: [mod_ssl, web]}}}"))
    assert names(image) == ["httpd", "new"]
    (install,) = [step for step in image.instructions if isinstance(step, im.Install)]
    assert [item.spot for item in install.packages] == [
        Spot("demo/images/app.yaml", 7, 12), Spot("over1.yaml", 2, 36)
    ]  # fmt: skip


def test_steps_stand_before_and_after_all_others(overlaid: Overlaid) -> None:
    image = app(
        overlaid(
            "images: {app: {steps: {prepend: [{mkdir: /first}], append: [{mkdir: /last}]},"
            " before: {append: [{touch: /{{ image }}}]}}}".replace("/{{ image }}", "'/{{ image }}'")
        )
    )
    made = [step for step in image.instructions if isinstance(step, im.MakeDirectory)]
    assert [step.paths[0] for step in made] == ["/first", "/own", "/last"]
    assert made[0].spot == Spot("over1.yaml", 2, 34)
    assert [step.paths[0] for step in image.instructions if isinstance(step, im.Touch)] == ["/own", "/app"]


def test_traits(overlaid: Overlaid) -> None:
    image = app(overlaid("images: {app: {uses: {remove: [web]}}}"))
    assert (names(image), image.config.healthcheck) == (["httpd", "mod_ssl"], None)
    base = overlaid("images: {base: {uses: {append: [web]}}}").images["base"]
    assert base.config.labels == {"web": "web"}


def test_maps_are_merged_and_values_taken_away(overlaid: Overlaid) -> None:
    text = """\
images:
  app:
    env: {A: over, B: ~, C: over}
    labels: {web: ~}
    accounts: {app: ~, new: {uid: 2}}
    repositories: {own: ~}
    user: ~
    healthcheck: ~
    cmd: [over]
    entrypoint: [over]
    ports: {append: ["81/tcp"], remove: ["80/tcp"]}
    volumes: {remove: [/srv]}
    from: other
"""
    image = app(overlaid(text))
    assert image.config == im.OciConfig(
        cmd=("over",),
        entrypoint=("over",),
        env={"A": "over", "C": "over"},
        labels={"a": "app"},
        ports=("81/tcp",),
    )
    assert (image.parent, image.parent_spot) == (im.ParentImage("other"), Spot("over1.yaml", 14, 11))
    assert image.spots["env.A"] == Spot("over1.yaml", 4, 14)
    assert image.spots["cmd"] == Spot("over1.yaml", 10, 10)
    assert [type(step).__name__ for step in image.instructions] == [
        "DeclareAccounts",
        "Touch",
        "Install",
        "MakeDirectory",
    ]


def test_a_common_part_comes_after_the_sets_and_before_the_recipes(overlaid: Overlaid) -> None:
    images = overlaid("common: {labels: {a: over, x: '{{ image }}'}}").images
    assert images["app"].config.labels == {"a": "app", "x": "app", "web": "web"}
    assert images["base"].config.labels == {"a": "over", "x": "base"}


def test_overlays_apply_in_order(overlaid: Overlaid) -> None:
    image = app(
        overlaid(
            "images: {app: {packages: {append: [one]}, user: one}}",
            "images: {app: {packages: {remove: [one], append: [two]}, user: two}}",
        )
    )
    assert (names(image)[-1], image.config.user) == ("two", "two")


def test_a_recipe_of_an_overlay_is_like_any_other(overlaid: Overlaid) -> None:
    images = overlaid(
        "recipes:\n  - {image: extra, from: app, uses: [web], packages: ['{{ image }}']}\n",
        "images: {extra: {user: over}}",
    ).images
    assert (names(images["extra"]), images["extra"].config.user) == (["web", "extra"], "over")
    assert images["extra"].spot == Spot("over1.yaml", 3, 13)


def test_steps_are_taken_away_by_what_they_say(overlaid: Overlaid) -> None:
    text = """\
images:
  app:
    before: {remove: [{touch: [/own]}]}
    steps: {remove: [{mkdir: /own}], append: [{mkdir: /own, mode: "700"}]}
"""
    kinds = [type(step).__name__ for step in app(overlaid(text)).instructions]
    assert kinds == ["DeclareAccounts", "WriteRepository", "Install", "MakeDirectory"]
    (made,) = [step for step in app(overlaid(text)).instructions if isinstance(step, im.MakeDirectory)]
    assert made.mode == "700"


def test_a_copy_is_taken_away_whoever_has_a_file_of_that_name(overlaid: Overlaid, tmp_path: Path) -> None:
    for name in ("demo/files/one", "files/one"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    image = app(
        overlaid(
            "images: {app: {steps: {append: [{copy: one, to: /srv/}]}}}",
            "images: {app: {steps: {remove: [{copy: one, to: /srv/}]}}}",
        )
    )
    assert not [step for step in image.instructions if isinstance(step, im.CopyContext)]


PUBLISHED = "registry.example.org:5000/acme/app:1"


def test_an_image_begins_with_one_that_was_published(overlaid: Overlaid) -> None:
    text = f"""\
images:
  app: {{from: {{image: "{PUBLISHED}"}}}}
recipes:
  - {{image: mine, from: {{image: "{PUBLISHED}@sha256:{"0" * 64}"}}, steps: [{{touch: /mine}}]}}
"""
    images = overlaid(text).images
    assert images["app"].parent == im.BaseImage(PUBLISHED)
    assert images["app"].parent_spot == Spot("over1.yaml", 3, 15)
    assert images["app"].dependencies() == {}
    assert images["mine"].parent == im.BaseImage(f"{PUBLISHED}@sha256:{'0' * 64}")


def test_files_come_from_beside_the_overlay_or_from_the_set(overlaid: Overlaid, tmp_path: Path) -> None:
    for name in ("demo/files/both", "demo/files/set", "files/both", "files/own/inner"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    copies = "".join(f"{{copy: {name}, to: /srv/}}, " for name in ("both", "set", "own"))
    image_set = overlaid(
        f"images: {{app: {{steps: {{append: [{copies}]}}}}}}\n"
        "recipes:\n  - {image: extra, from: base, steps: [{copy: both, to: /srv/}]}\n"
    )
    found = [step for step in app(image_set).instructions if isinstance(step, im.CopyContext)]
    assert [str(step.path("demo")) for step in found] == ["files/both", "demo/files/set", "files/own"]
    (other,) = image_set.images["extra"].instructions
    assert isinstance(other, im.CopyContext)
    assert str(other.path("demo")) == "files/both"
    plan = compile_plan(image_set)
    carried = {path: link.read_text() for path, link in plan.links.items() if path.startswith("context/")}
    assert sorted(carried.values()) == ["demo/files/set", "files/both", "files/own/inner"]


def test_links_beside_an_overlay_lead_to_files(overlaid: Overlaid, tmp_path: Path) -> None:
    (tmp_path / "files/own").mkdir(parents=True)
    (tmp_path / "files/one").write_text("one")
    links = {"good": "one", "round": "round", "gone": "nowhere", "away": "/nowhere", "dir": "own"}
    for name, target in links.items():
        (tmp_path / "files" / name).symlink_to(target)
    (tmp_path / "files/own/round").symlink_to("round")
    steps = ", ".join(f"{{copy: {name}, to: /srv/}}" for name in (*links, "own", "onw", '""'))
    with pytest.raises(Refused) as refused:
        overlaid(f"images: {{app: {{steps: {{append: [{steps}]}}}}}}\n")
    assert [(item.code, item.message, item.hint) for item in refused.value.diagnostics] == [
        ("missing-file", "files/round is a link that leads nowhere", "put the file itself there"),
        ("missing-file", "files/gone is a link that leads nowhere", "put the file itself there"),
        ("path-leaves-context", "files/away is a link that leads out of files", "put the file itself there"),
        ("odd-file", "files/dir is a link to a folder", "put the folder itself there"),
        ("missing-file", "files/own/round is a link that leads nowhere", "put the file itself there"),
        ("missing-file", "there is no demo/files/onw", "did you mean 'own' or 'one'?"),
        ("bad-path", "there is no path to copy", "name a file or a folder of files/; '.' is all of it"),
    ]
