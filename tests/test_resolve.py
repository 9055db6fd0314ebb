"""From files to images: order, merging, traits, variables, sites. What is refused stands in tests/errors."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildsys import image as im
from buildsys.diagnostics import Refused, Spot
from buildsys.image import Image, ImageSet
from buildsys.lock.requests import buildable
from buildsys.recipe import schema
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve, written_steps

ROOT = Path(__file__).parents[1]
SITE = "site: here\ninstaller: dnf\nbase: {bootstrap: [bash, coreutils]}\n"
SET = "set: demo\nnamespace: example\ntag: latest\nepoch: 1517443200\n"
APP = "image: app\nfrom: base\n"
Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def resolved(write_set: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ImageSet]:
    """Write a set and resolve it, with the set's folder as `demo`."""

    def run(
        files: Mapping[str, str], *, site: str | None = None, stand_ins: Path | None = None, **variables: str
    ) -> ImageSet:
        monkeypatch.chdir(write_set(files).parent)
        return resolve(load_set(Path("demo")), site=site, variables=variables, stand_ins=stand_ins)

    return run


@pytest.fixture
def app(resolved: Callable[..., ImageSet]) -> Callable[..., Image]:
    """Resolve a set with the image `app`, and give that image."""

    def run(text: str, more: Mapping[str, str] | None = None, **options: str) -> Image:
        return resolved({"images/app.yaml": APP + text, **(more or {})}, **options).images["app"]

    return run


App = Callable[..., Image]
Resolved = Callable[..., ImageSet]


def kinds(image: Image) -> str:
    return " ".join(type(step).__name__ for step in image.instructions)


def packages(image: Image) -> list[str]:
    return [
        item.name for step in image.instructions if isinstance(step, im.Install) for item in step.packages
    ]


# Defaults and order ------------------------------------------------------------------------------


def test_defaults(resolved: Resolved) -> None:
    image_set = resolved({"images/app.yaml": APP})
    assert (image_set.name, image_set.format, image_set.epoch, image_set.directory) == (
        "demo",
        "docker",
        1517443200,
        "demo",
    )
    assert str(image_set.images["app"].reference) == "localhost/example/app:latest"
    assert image_set.images["app"] == Image(
        name="app",
        reference=im.ImageReference("localhost", "example", "", "app", "latest"),
        parent=im.ParentImage("base"),
        instructions=(),
        config=im.OciConfig(),
    )
    assert list(image_set.images) == ["app", "base"]


def test_the_root_of_the_tree(resolved: Resolved) -> None:
    base = resolved({"images/base.yaml": "image: base\nfrom: site\naccounts: {nova: {uid: 1}}\n"}).images[
        "base"
    ]
    assert (base.parent, kinds(base)) == (im.EmptyRoot(), "Bootstrap DeclareAccounts")
    bootstrap = base.instructions[0]
    assert isinstance(bootstrap, im.Bootstrap)
    assert [(item.name, item.spot) for item in bootstrap.packages] == [
        ("bash", Spot("demo/sites/here.yaml", 3, 20)), ("coreutils", Spot("demo/sites/here.yaml", 3, 26))
    ]  # fmt: skip


def test_a_base_built_elsewhere(resolved: Resolved) -> None:
    site = "site: here\ninstaller: yum\ninside: true\nbase: {image: 'docker.io/library/centos:7'}\n"
    base = resolved({"sites/here.yaml": site}).images["base"]
    assert (base.parent, base.instructions) == (im.BaseImage("docker.io/library/centos:7"), ())


def test_the_order_within_an_image(app: App) -> None:
    image = app(
        "uses: [one, two]\n"
        "steps: [{mkdir: /own}]\npackages: [own]\nbefore: [{touch: /own}]\n"
        "repositories: {own: {file: /own, options: {name: own}}}\naccounts: {own: {uid: 1}}\n",
        {
            "set.yaml": SET + "common: {uses: [zero], steps: [{mkdir: /common}], packages: [common]}\n",
            "traits/zero.yaml": "trait: zero\nsteps: [{mkdir: /zero}]\n",
            "traits/one.yaml": "trait: one\nsteps: [{mkdir: /one}]\npackages: [one]\n"
            "before: [{touch: /one}]\nuses: [in]\n",
            "traits/in.yaml": "trait: in\nsteps: [{mkdir: /in}]\npackages: [in]\n",
            "traits/two.yaml": "trait: two\nsteps: [{mkdir: /two}]\npackages: [own, two]\n"
            "accounts: {two: {uid: 2}}\n",
        },
    )
    assert kinds(image) == (
        "DeclareAccounts WriteRepository Touch Touch Install "
        "MakeDirectory MakeDirectory MakeDirectory MakeDirectory MakeDirectory MakeDirectory"
    )
    assert packages(image) == ["common", "in", "one", "own", "two"]
    made = [step.paths[0] for step in image.instructions if isinstance(step, im.MakeDirectory)]
    assert made == ["/zero", "/common", "/in", "/one", "/two", "/own"]
    declared = image.instructions[0]
    assert isinstance(declared, im.DeclareAccounts)
    assert [account.name for account in declared.accounts] == ["two", "own"]


def test_later_wins_and_maps_are_merged(app: App) -> None:
    image = app(
        "uses: [web]\nlabels: {c: app}\nenv: {X: app}\nports: ['80/tcp', '81/tcp']\ncmd: [app]\n",
        {
            "set.yaml": SET
            + "common: {labels: {a: common, b: common, c: common}, user: common, cmd: [common]}\n",
            "traits/web.yaml": "trait: web\nlabels: {b: web}\nuser: web\n"
            "ports: ['80/tcp']\nvolumes: [/srv]\n",
            "sites/here.yaml": SITE + "labels: {site: here, a: site}\n",
        },
    )
    assert image.config == im.OciConfig(
        user="web",
        cmd=("app",),
        env={"X": "app"},
        labels={"a": "site", "b": "web", "c": "app", "site": "here"},
        ports=("80/tcp", "81/tcp"),
        volumes=("/srv",),
    )
    assert image.spots["user"] == Spot("demo/traits/web.yaml", 3, 7)
    assert image.spots["labels.c"] == Spot("demo/images/app.yaml", 4, 13)
    assert image.spots["labels.a"] == Spot("demo/sites/here.yaml", 4, 25)
    assert image.spots["ports.81/tcp"] == Spot("demo/images/app.yaml", 6, 19)


def test_accounts_need_only_a_number(app: App) -> None:
    (declared,) = app(
        "accounts:\n  nova: {uid: 5}\n  x: {uid: 1, gid: 2, home: /h, shell: /s, groups: [g]}\n"
    ).instructions
    assert declared == im.DeclareAccounts(
        (
            im.Account("nova", 5, 5, "/home/nova", "/usr/sbin/nologin"),
            im.Account("x", 1, 2, "/h", "/s", ("g",)),
        )
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("/bin/check", im.HealthCheck(("CMD-SHELL", "/bin/check"))),
        ("[/bin/check, -v]", im.HealthCheck(("CMD", "/bin/check", "-v"))),
        ("{command: a, interval: 1m30s, timeout: 500ms, start-period: 2h, retries: 3}",
         im.HealthCheck(("CMD-SHELL", "a"), 90, 0.5, 7200, 3)),
    ],
)  # fmt: skip
def test_health_checks(app: App, written: str, expected: im.HealthCheck) -> None:
    assert app(f"healthcheck: {written}\n").config.healthcheck == expected


# Steps --------------------------------------------------------------------------------------------

STEPS: list[tuple[str, im.Instruction]] = [
    ("packages: [a, b]", im.Install((im.PackageName("a"), im.PackageName("b")))),
    ("remove-packages: [a]\n    optional: true", im.Uninstall((im.PackageName("a"),), optional=True)),
    ("update: true", im.UpdateAll()),
    ("import-key: /etc/key", im.ImportKey("/etc/key")),
    ("disable-repository: epel", im.DisableRepository("epel", optional=False)),
    ("gems: ['a:~> 1.0']\n    flags: [--minimal-deps]\n    open-files: 9",
     im.InstallGems(("a:~> 1.0",), ("--minimal-deps",), 9)),
    ("copy: a.conf\n    to: /a\n    mode: '600'\n    owner: 'a:'",
     im.CopyContext("a.conf", "/a", "600", "a:")),
    ("copy: /a\n    from: base\n    to: /b", im.CopyImage("base", "/a", "/b", "", "")),
    ("copy: /a\n    from: {package: p}\n    to: /b\n    mode: '755'",
     im.CopyPayload(im.PackageName("p"), "/a", "/b", "755", "")),
    ("copy: /a*\n    to: /b\n    preserve: true", im.CopyInside("/a*", "/b", preserve=True, optional=False)),
    ("mkdir: [/a, /b]\n    mode: '2775'\n    owner: ':g'", im.MakeDirectory(("/a", "/b"), "2775", ":g")),
    # To chmod "0755" is "755", and so it is to a build key.
    ("mkdir: /a\n    mode: '0755'", im.MakeDirectory(("/a",), "755", "")),
    ("chmod: /a\n    mode: '0600'", im.ChangeMode(("/a",), "600", recursive=False, optional=False)),
    ("touch: /a\n    mode: '0000'", im.Touch(("/a",), "000")),
    ("copy: a.conf\n    to: /a\n    mode: '0644'", im.CopyContext("a.conf", "/a", "644", "")),
    ("chmod: /a\n    mode: a+rx\n    recursive: true",
     im.ChangeMode(("/a",), "a+rx", recursive=True, optional=False)),
    ("chown: /a\n    owner: '1:2'\n    optional: true",
     im.ChangeOwner(("/a",), "1:2", recursive=False, optional=True)),
    ("symlink: /a\n    target: ../b\n    force: true", im.Symlink("/a", "../b", force=True)),
    ("touch: /a", im.Touch(("/a",), "")),
    ("remove: /a/*\n    recursive: true", im.RemovePath(("/a/*",), recursive=True, optional=False)),
    ("move: /a\n    to: /b", im.MovePath("/a", "/b")),
    ("comment: ^Listen 80\n    in: /a", im.CommentLines("/a", "^Listen 80", optional=False)),
    ("replace: ^a\n    in: /f\n    with: '&\\1'\n    optional: true",
     im.ReplaceLines("/f", "^a", "&\\1", optional=True)),
    ("append: |\n      a\n      b\n    in: /f", im.AppendLines("/f", ("a", "b"))),
    ('append: "a\\u2028b\\r\\n"\n    in: /f', im.AppendLines("/f", ("a\u2028b\r",))),
    ("append: [a]\n    in: /f", im.AppendLines("/f", ("a",))),
    ("append-file: /a\n    in: /f", im.AppendFile("/f", "/a")),
    ("require: ^7\n    in: /f", im.Require("/f", "^7")),
    ("account: nova\n    home: /h\n    groups: [g]", im.ChangeAccount("nova", "/h", "", ("g",))),
    ("download: 'https://example.org/a'\n    to: /a\n    mode: +x\n    sha256: '" + "0" * 64 + "'",
     im.Download("https://example.org/a", "0" * 64, "/a", "+x")),
    ("run: a | b", im.Run(("/bin/sh", "-ec", "a | b"), 0)),
    ("run: [a, b]\n    open-files: 65536", im.Run(("a", "b"), 65536)),
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), STEPS, ids=[type(step).__name__ for _, step in STEPS])
def test_steps(app: App, written: str, expected: im.Instruction) -> None:
    image = app(f"steps:\n  - {written}\n", {"files/a.conf": ""})
    assert image.instructions == (expected,)
    assert image.instructions[0].spot == Spot("demo/images/app.yaml", 4, 5)


def test_every_step_becomes_an_instruction_and_every_instruction_comes_from_somewhere() -> None:
    assert written_steps._KINDS.keys() == set(schema.VERBS.values())
    made = {type(step) for _, step in STEPS} | {im.Bootstrap, im.DeclareAccounts, im.WriteRepository}
    made.add(im.Containerfile)  # a key of a recipe
    assert made == set(typing.get_args(im.Instruction)) - {im.Transaction}  # that one is a lock's


def test_an_image_copied_from_is_a_dependency(app: App) -> None:
    image = app(
        "steps: [{copy: /a, from: other, to: /a}]\n", {"images/other.yaml": "image: other\nfrom: base\n"}
    )
    assert image.dependencies() == {
        "base": Spot("demo/images/app.yaml", 2, 7), "other": Spot("demo/images/app.yaml", 3, 9)
    }  # fmt: skip


# Traits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "use", "expected"),
    [
        ("{a: }", "{t: x}", "x--"),
        ("{a: }", "{t: {a: x}}", "x--"),
        ("{a: x}", "t", "x--"),
        ("{a: x}", "{t: y}", "y--"),
        ("{b: 1, a: }", "{t: x}", "x-1-"),
        ("{a: , b: '{{ a }}!'}", "{t: x}", "x-x!-"),
        ("{a: , b: '{{ a }}!', c: '{{ b }}?'}", "{t: {a: x, c: z}}", "x-x!-z"),
        ("{a: '{{ image }}'}", "t", "app--"),
        ("{a: '{{ v }}'}", "t", "set--"),
        ("{a: }", "{t: '{{ image }}{{ v }}'}", "appset--"),
        ("{a: , b: }", "{t: {a: 1, b: true}}", "1-true-"),
    ],
)
def test_parameters(app: App, parameters: str, use: str, expected: str) -> None:
    trait = (
        f"trait: t\nparameters: {parameters}\n"
        "labels: {x: \"{{ a }}-{{ b | default('') }}-{{ c | default('') }}\"}\n"
    )
    image = app(f"uses: [{use}]\n", {"traits/t.yaml": trait, "set.yaml": SET + "variables: {v: set}\n"})
    assert image.config.labels["x"] == expected


def test_a_list_stays_a_list_and_a_number_becomes_text_where_text_is_wanted(app: App) -> None:
    trait = (
        "trait: t\nparameters: {paths: , n: , deep: }\nsteps: [{mkdir: '{{ paths }}', mode: '{{ n }}'},"
        " {chmod: /x, mode: '{{ n }}', recursive: '{{ deep }}'}]\npackages: '{{ paths | default([]) }}'\n"
    ).replace("packages: '{{ paths | default([]) }}'\n", "")
    image = app("uses: [{t: {paths: [/a, /b], n: 755, deep: true}}]\n", {"traits/t.yaml": trait})
    assert image.instructions == (
        im.MakeDirectory(("/a", "/b"), "755", ""),
        im.ChangeMode(("/x",), "755", recursive=True, optional=False),
    )


def test_what_a_trait_is_given_reaches_the_traits_it_uses_only_by_parameters(app: App) -> None:
    traits = {
        "traits/outer.yaml": "trait: outer\nparameters: {a: }\nuses: [{inner: '{{ a }}!'}]\n",
        "traits/inner.yaml": "trait: inner\nparameters: {b: }\nlabels: {x: '{{ b }}{{ a | default(1) }}'}\n",
    }
    assert app("uses: [{outer: y}]\n", traits).config.labels["x"] == "y!1"


def test_a_trait_counts_once_for_equal_parameters(app: App) -> None:
    traits = {
        "traits/a.yaml": "trait: a\nuses: [{dir: /x}, {dir: /y}]\n",
        "traits/b.yaml": "trait: b\nuses: [{dir: {path: /x}}]\n",
        "traits/dir.yaml": "trait: dir\nparameters: {path: }\nsteps: [{mkdir: '{{ path }}'}]\n",
    }
    image = app("uses: [a, b, {dir: /z}, a]\n", traits)
    assert [step.paths for step in image.instructions if isinstance(step, im.MakeDirectory)] == [
        ("/x",),
        ("/y",),
        ("/z",),
    ]


def test_images_share_what_a_trait_gives_them_but_not_what_names_them(resolved: Resolved) -> None:
    images = resolved(
        {
            "images/a.yaml": "image: a\nfrom: base\nuses: [outer]\n",
            "images/b.yaml": "image: b\nfrom: base\nuses: [outer]\n",
            "traits/outer.yaml": "trait: outer\nuses: [inner, same]\n",
            "traits/inner.yaml": "trait: inner\nlabels: {name: '{{ image }}'}\n",
            "traits/same.yaml": "trait: same\nparameters: {p: /x}\nsteps: [{mkdir: '{{ p }}'}]\n",
        }
    ).images
    assert [images[name].config.labels["name"] for name in "ab"] == ["a", "b"]
    assert images["a"].instructions == images["b"].instructions
    again = resolved(
        {
            "images/a.yaml": "image: a\nfrom: base\nuses: [same]\n",
            "images/b.yaml": "image: b\nfrom: base\nuses: [same]\n",
        }
    ).images
    assert again["a"].instructions[0] is again["b"].instructions[0]


def test_a_trait_whose_name_is_filled_in(resolved: Resolved) -> None:
    images = resolved(
        {
            "images/a.yaml": "image: a\nfrom: base\nuses: [pick]\n",
            "images/b.yaml": "image: b\nfrom: base\nuses: [pick]\n",
            "traits/pick.yaml": "trait: pick\nuses: ['for-{{ image }}']\n",
            "traits/a.yaml": "trait: for-a\nuser: a\n",
            "traits/b.yaml": "trait: for-b\nuser: b\n",
        }
    ).images
    assert [images[name].config.user for name in "ab"] == ["a", "b"]


# Variables ----------------------------------------------------------------------------------------


def test_who_wins_among_variables(write_set: Write, tmp_path: Path) -> None:
    folder = write_set(
        {
            "set.yaml": SET
            + "site: here\nvariables: {a: set, b: set, c: set, d: set, n: 1, debug: false, l: [x]}\n",
            "sites/here.yaml": SITE + "variables: {b: site, c: site, d: site, only: site}\n",
            "sites/there.yaml": SITE.replace("here", "there") + "variables: {b: there}\n",
            "images/app.yaml": APP
            + "labels: {x: '{{ a }} {{ b }} {{ c }} {{ d }} {{ only }} {{ n }} {{ debug }}'}\n"
            "packages: '{{ l }}'\n",
        }
    )
    for name, text in (("one", "c: one, d: one, only: one"), ("two", "c: two")):
        (tmp_path / f"{name}.yaml").write_text(f"overlay: {name}\nvariables: {{{text}}}\n")
    library = load_set(folder, [tmp_path / "one.yaml", tmp_path / "two.yaml"])
    given = {"d": "given", "n": "2", "debug": "true", "l": "y,z"}
    image = resolve(library, site=None, variables=given, stand_ins=None).images["app"]
    assert image.config.labels["x"] == "set site two given one 2 true"
    assert packages(image) == ["y", "z"]


def test_what_only_the_site_defines_is_unknown_elsewhere(write_set: Write) -> None:
    folder = write_set(
        {
            "set.yaml": SET + "site: here\n",
            "sites/here.yaml": SITE + "variables: {only: here}\n",
            "sites/there.yaml": SITE.replace("here", "there"),
            "images/app.yaml": APP + "labels: {x: '{{ only }}'}\n",
        }
    )
    library = load_set(folder)
    assert resolve(library, site=None, variables={}, stand_ins=None).images["app"].config.labels == {
        "x": "here"
    }
    with pytest.raises(Refused, match="undefined-variable"):
        resolve(library, site="there", variables={}, stand_ins=None)


def test_names_and_tags_never_reach_what_an_image_is(app: App) -> None:
    for key in ("tag: other", "namespace: other", "prefix: other-", "registry: other"):
        head = "\n".join(line for line in SET.splitlines() if not line.startswith(key.split(":")[0]))
        other = app("labels: {name: '{{ image }}'}\n", {"set.yaml": f"{head}\n{key}\n"})
        same = app("labels: {name: '{{ image }}'}\n", {"set.yaml": SET})
        assert other.reference != same.reference
        assert (other.instructions, other.config) == (same.instructions, same.config)


# Sites --------------------------------------------------------------------------------------------

MADE = hashlib.sha256(b"downloads/made").hexdigest()
STANDS_IN = SITE + (
    "stand-ins: standins/packages.yaml\nrelease: '7'\nrepositories:\n"
    "  made: {directory: '{{ stand_ins }}/repo', key: '{{ stand_ins }}/keys/KEY'}\n"
    "  far: {url: 'https://example.org/r', gpgcheck: false}\n"
    "left-out: {testing: not signed}\n"
    "downloads:\n"
    "  https://example.org/made: {file: '{{ stand_ins }}/downloads/made', sha256: '" + MADE + "'}\n"
    "  https://example.org/own: {file: files/own}\n"
    "  https://example.org/far: {unverified: true}\n"
    "gems: '{{ stand_ins }}/gems'\n"
)
FETCHES = "steps:\n" + "".join(
    f"  - {{download: 'https://example.org/{name}', to: /{name}}}\n" for name in ("made", "own", "far")
) + "  - {gems: [rake]}\n"  # fmt: skip


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    for name in (
        "repo/repodata/repomd.xml",
        "keys/KEY",
        "downloads/made",
        "gems/rake-12.0.gem",
        "gems/README",
    ):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(name)
    return made


def test_a_site_with_its_stand_ins(resolved: Resolved, stand_ins: Path) -> None:
    files = {"sites/here.yaml": STANDS_IN, "images/app.yaml": APP + FETCHES, "files/own": "own"}
    image_set = resolved(
        {**files, "sites/real.yaml": SITE.replace("here", "real")}, site="here", stand_ins=stand_ins
    )
    checksum = hashlib.sha256(b"repo/repodata/repomd.xml").hexdigest()
    assert image_set.site == im.Site(
        name="here",
        installer="dnf",
        inside=False,
        repositories=(
            im.Repository("made", str(stand_ins / "repo"), "", str(stand_ins / "keys/KEY"), checksum),
            im.Repository("far", "", "https://example.org/r", "", ""),
        ),
        host_repositories=False,
        downloads={
            "https://example.org/made": str(stand_ins / "downloads/made"),
            "https://example.org/own": "demo/files/own"
        },
        gems=(str(stand_ins / "gems/rake-12.0.gem"),),
        stand_ins=True,
        release="7",
        left_out=("testing",),
        notes=(
            "packages of the site here are stand-ins made here; for the real ones use the site real",
            "the repository far is not signed: its packages are taken as they are",
            "the download https://example.org/far is not verified",
            "the repository testing is left out: not signed",
        ),
    )  # fmt: skip
    sums = [step.sha256 for step in image_set.images["app"].instructions if isinstance(step, im.Download)]
    assert sums == [MADE, hashlib.sha256(b"own").hexdigest(), ""]


def test_a_site_without_its_stand_ins_is_enough_to_look_at_a_set(resolved: Resolved) -> None:
    files = {"sites/here.yaml": STANDS_IN, "images/app.yaml": APP + FETCHES, "files/own": "own"}
    site = resolved(files).site
    assert [repository.id for repository in site.repositories] == ["far"]
    assert (site.downloads, site.gems) == ({"https://example.org/own": "demo/files/own"}, ())
    assert "the stand-ins are not made yet: nothing can be installed from them" in site.notes


def test_stand_ins_that_lack_something_are_refused(resolved: Resolved, stand_ins: Path) -> None:
    (stand_ins / "repo/repodata/repomd.xml").unlink()
    (stand_ins / "keys/KEY").unlink()
    (stand_ins / "gems/rake-12.0.gem").unlink()
    with pytest.raises(Refused) as refused:
        resolved(
            {"sites/here.yaml": STANDS_IN, "images/app.yaml": APP + FETCHES, "files/own": "own"},
            stand_ins=stand_ins,
        )
    assert sorted(item.code for item in refused.value.diagnostics) == [
        "missing-file",
        "missing-file",
        "missing-gem",
    ]


LEAVES_OUT = SITE + "left-out: {closed: {because: it is shut, packages: [lamp, bulb]}, old: gone}\n"


def test_what_a_site_cannot_build(resolved: Resolved) -> None:
    image_set = resolved(
        {
            "sites/here.yaml": LEAVES_OUT,
            "set.yaml": SET + "profiles: {light: [app, lamp*]}\n",
            "images/app.yaml": APP + "packages: [curl]\n",
            "images/lamp.yaml": "image: lamp\nfrom: base\nsteps: [{packages: [bulb]}]\n",
            "images/lamp-post.yaml": "image: lamp-post\nfrom: lamp\n",
            "images/thief.yaml": "image: thief\nfrom: app\nsteps: [{copy: /a, from: lamp-post, to: /a}]\n",
            "images/payload.yaml": (
                "image: payload\nfrom: base\nsteps: [{copy: /a, from: {package: lamp}, to: /a}]\n"
            ),
            "images/ruby.yaml": "image: ruby\nfrom: base\nsteps: [{gems: [rake]}]\n",
        }
    )
    assert set(image_set.images) == {"base", "app", "lamp", "lamp-post", "thief", "payload", "ruby"}
    assert {name: (str(item.why.spot), item.profiles) for name, item in image_set.absent.items()} == {
        "lamp": ("demo/images/lamp.yaml:3:21", ("light",)),
        "lamp-post": ("demo/images/lamp.yaml:3:21", ("light",)),
        "thief": ("demo/images/lamp.yaml:3:21", ()),
        "payload": ("demo/images/payload.yaml:3:36", ()),
        "ruby": ("demo/images/ruby.yaml:3:9", ()),
    }
    can = buildable(image_set)
    assert set(can.images) == {"base", "app"}
    assert can.profiles == {"light": ("app",)}
    assert can.site.notes[-1] == (
        "not built, for the site here cannot give it: lamp (it has no package bulb); lamp-post (it has no"
        " package bulb); payload (it has no package lamp); ruby (it has no gems);"
        " thief (it has no package bulb)"
    )


def test_a_site_that_can_build_everything(resolved: Resolved, stand_ins: Path) -> None:
    files = {"sites/here.yaml": STANDS_IN, "images/app.yaml": APP + FETCHES, "files/own": "own"}
    assert resolved(files, stand_ins=stand_ins).absent == {}
    # Gems that will be made are there.
    assert resolved(files).absent == {}


def test_a_site_may_have_an_epoch_of_its_own(resolved: Resolved) -> None:
    files = {"sites/here.yaml": SITE, "sites/late.yaml": SITE.replace("here", "late") + "epoch: 1700000000\n"}
    assert resolved(files, site="here").epoch == 1517443200
    assert resolved(files, site="late").epoch == 1700000000


def test_the_hosts_own_repositories(resolved: Resolved) -> None:
    site = resolved({"sites/here.yaml": SITE + "repositories: host\n"}).site
    assert (site.host_repositories, site.repositories) == (True, ())


def test_keys_where_the_installer_runs_inside(resolved: Resolved) -> None:
    site = (
        "site: here\ninstaller: yum\ninside: true\nbase: {image: 'example.org/base:7'}\nrepositories:\n"
        "  a: {url: 'https://example.org/a', key: /etc/pki/KEY}\n"
        "  b: {url: 'https://example.org/b', key: 'https://example.org/KEY'}\n"
        "  c: {url: 'https://example.org/c', key: files/KEY}\n"
    )
    image_set = resolved({"sites/here.yaml": site, "files/KEY": "key"})
    keys = [repository.key for repository in image_set.site.repositories]
    assert keys == ["/etc/pki/KEY", "https://example.org/KEY", "demo/files/KEY"]


@pytest.mark.parametrize(
    ("gem", "fits"),
    [("a", True), ("a:1.2.3", True), ("a:= 1.2.3", True), ("a:1.2", False), ("a:~> 1.2", True),
     ("a:~> 1.2.0", True),
     ("a:~> 1.3", False), ("a:~> 1.2.4", False), ("a:>= 1.2.3, < 2", True), ("a:< 1.2.3", False),
     ("a:!= 1.2.3", False),
     ("a:> 1.2.3.rc1", True), ("a:<= 1.10", True), ("b-c:2.0", True), ("b", False), ("d:3.0", True)],
)  # fmt: skip
def test_gems_and_their_constraints(resolved: Resolved, gem: str, fits: bool) -> None:  # noqa: FBT001
    files = {f"gems/{name}.gem": "" for name in ("a-1.2.3", "b-c-2.0", "d-3.0-x86_64-linux")}
    files |= {
        "sites/here.yaml": SITE + "gems: gems\n",
        "images/app.yaml": APP + f"steps: [{{gems: ['{gem}']}}]\n",
    }
    if fits:
        resolved(files)
    else:
        with pytest.raises(Refused, match="missing-gem"):
            resolved(files)


# Profiles -----------------------------------------------------------------------------------------


def test_a_tested_service_need_not_speak_http(app: App) -> None:
    test = app("test: {service: {port: 3306}}\n").test
    assert test.service is not None
    assert [port.number for port in test.service.ports] == [3306]
    assert not test.service.requests


def test_profiles(resolved: Resolved) -> None:
    image_set = resolved(
        {
            "set.yaml": SET + "variables: {v: x}\nprofiles:\n  globs: ['a*']\n  names: [base]\n  empty: []\n"
            "  all: [globs, names, 'for-{{ v }}']\n  for-x: [b]\n",
            "images/a1.yaml": "image: a1\nfrom: base\n",
            "images/a2.yaml": "image: a2\nfrom: base\nprofiles: [empty]\n",
            "images/b.yaml": "image: b\nfrom: base\n",
        }
    )
    assert image_set.profiles == {
        "globs": ("a1", "a2"), "names": ("base",), "empty": ("a2",), "all": ("a1", "a2", "b", "base"),
        "for-x": ("b",)
    }  # fmt: skip
    assert image_set.images["a2"].profiles == ("globs", "empty", "all")


# The whole ----------------------------------------------------------------------------------------


def test_all_mistakes_are_told_together(resolved: Resolved) -> None:
    with pytest.raises(Refused) as refused:
        resolved(
            {
                "set.yaml": SET.replace("latest", "'a b'") + "profiles: {p: [none]}\nvariables: {set: x}\n",
                "sites/here.yaml": SITE + "repositories: {r: {}}\n",
                "images/app.yaml": APP.replace("base", "bse")
                + "uses: [web, wed]\nsteps: [{copy: none, to: x}]\n",
                "images/Other.yaml": "image: Other\nfrom: Other\nlabels: {a: '{{ nobody }}'}\n",
                "traits/web.yaml": "trait: web\nuses: [web]\npackages: [-x]\n",
            }
        )
    assert {item.code for item in refused.value.diagnostics} == {
        "bad-reference", "unknown-member", "bad-name", "site-mismatch", "unknown-parent", "unknown-trait",
        "missing-file",
        "bad-path", "bad-image-name", "undefined-variable", "trait-cycle", "bad-package-name",
    }  # fmt: skip


def test_resolving_opens_neither_jinja2_nor_networkx_without_need(write_set: Write) -> None:
    folder = write_set(
        {"set.yaml": SET + "common: {labels: {name: '{{ image }}'}}\n", "images/app.yaml": APP}
    )
    code = (
        "import sys; from pathlib import Path; from buildsys.recipe.library import load_set;"
        "from buildsys.resolve import resolve;"
        f"resolve(load_set(Path({str(folder)!r})), site=None, variables={{}}, stand_ins=None);"
        "assert not {'networkx', 'jinja2', 'rich', 'click', 'sh'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_same_files_give_the_same_images_under_any_hash_seed() -> None:
    code = (
        "import sys; from pathlib import Path; from buildsys.recipe.library import load_set;"
        "from buildsys.resolve import resolve;"
        "print(resolve(load_set(Path('recipes/stable-pike')), site=None, variables={}, stand_ins=None))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(texts) == 1
    assert b"nova-api" in texts.pop()


# Containerfiles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "reference", "parent"),
    [
        ("latest", "base", im.ParentImage("base")),
        ("latest", "example/base:latest", im.ParentImage("base")),
        ("latest", "localhost/example/base", im.ParentImage("base")),
        ("latest", "example/base", im.ParentImage("base")),
        ("'1'", "localhost/example/base:1", im.ParentImage("base")),
        ("'1'", "localhost/example/base", im.BaseImage("localhost/example/base")),
        # A recipe's name has no tag: this is how images elsewhere are called that have the same.
        ("latest", "base:latest", im.BaseImage("base:latest")),
    ],
)
def test_what_a_containerfile_calls_an_image_of_the_set(
    tag: str, reference: str, parent: object, write_set: Callable[[Mapping[str, str]], Path]
) -> None:
    folder = write_set(
        {
            "set.yaml": f"set: demo\nnamespace: example\ntag: {tag}\nepoch: 1517443200\n",
            "images/tool.yaml": "image: tool\ncontainerfile: ../tool/Containerfile\n",
            "tool/Containerfile": f"FROM {reference}\n",
        }
    )
    tool = resolve(load_set(folder), site=None, variables={}, stand_ins=None).images["tool"]
    assert tool.parent == parent


def test_an_overlay_brings_an_image_with_a_containerfile(
    write_set: Callable[[Mapping[str, str]], Path], tmp_path: Path
) -> None:
    overlay = tmp_path / "acme/acme.yaml"
    (overlay.parent / "tool").mkdir(parents=True)
    (overlay.parent / "tool/Containerfile").write_text(
        "FROM example/base:latest\nCOPY --from=registry.example.org/a:1 / /\n"
    )
    overlay.write_text("overlay: acme\nrecipes: [{image: tool, containerfile: tool/Containerfile}]\n")
    library = load_set(write_set({}), [overlay])
    tool = resolve(library, site=None, variables={}, stand_ins=None).images["tool"]
    assert tool.parent == im.ParentImage("base")
    assert tool.containerfile is not None
    assert tool.containerfile.folder == str(tmp_path / "acme/tool")
    assert [item.reference for item in tool.containerfile.others] == ["registry.example.org/a:1"]
    assert list(tool.dependencies()) == ["base"]
