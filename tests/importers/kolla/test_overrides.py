"""Kolla's overrides as an overlay: what becomes of each kind, and that nothing goes in silence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys import image as im
from buildsys.diagnostics import Refused, _lines
from buildsys.image import ImageSet
from buildsys.importers.kolla.overrides import turn
from buildsys.importers.set_folder import write_files
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def beside_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    _lines.cache_clear()


def demo(*overlays: Path, folder: Path = Path("demo")) -> ImageSet:
    return resolve(load_set(folder, overlays), site=None, variables={}, stand_ins=None)


def turned(tmp_path: Path, text: str, image_set: ImageSet | None = None) -> tuple[str, list[str]]:
    """The overlay of a template, and what was said."""
    file = tmp_path / "x.j2"
    file.write_text(text)
    overlay, found = turn([str(file)], image_set)
    return overlay.text("x", "x.j2").replace(f"{tmp_path}/", ""), [item.message for item in found]


@pytest.mark.parametrize("case", ["with-set", "without"])
def test_all_of_it(case: str, golden: Callable[[str, Path], None]) -> None:
    overlay, found = turn(["acme.j2", "kolla-build.conf"], demo() if case == "with-set" else None)
    golden(overlay.text("acme", "acme.j2, kolla-build.conf"), HERE / f"expected/{case}.yaml")
    golden("\n\n".join(item.text("warning") for item in found) + "\n", HERE / f"expected/{case}.txt")
    assert {item.code for item in found} == {"not-taken-over"}


def test_the_overlay_fits_the_set_and_does_what_the_files_say() -> None:
    images = demo(HERE / "expected/with-set.yaml").images
    server = images["neutron-server"]
    assert [type(step).__name__ for step in server.instructions] == [
        "Run", "Install", "Install", "Install", "Run", "Download", "Run", "Run", "MakeDirectory", "Run",
        "Run", "Run",
    ]  # fmt: skip
    assert isinstance(server.instructions[1], im.Install)
    assert [item.name for item in server.instructions[1].packages] == [
        "openstack-neutron",
        "networking-acme-2.4",
    ]
    assert server.config.healthcheck == im.HealthCheck(
        ("CMD-SHELL", "curl -f http://localhost"), interval=30, retries=3
    )
    accounts = images["base"].instructions[1]
    assert isinstance(accounts, im.DeclareAccounts)
    assert accounts.accounts[0] == im.Account(
        "nova", 1162, 1162, "/var/lib/nova", "/usr/sbin/nologin", ("qemu",)
    )
    assert [item.name for item in images["cron"].instructions[0].packages] == ["cronie", "at"]  # type: ignore[union-attr]
    assert all(item.config.labels["maintainer"] == "Acme, 100%" for item in images.values())


def test_what_a_site_does_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[str, Path], None]
) -> None:
    monkeypatch.chdir("site")
    overlay, found = turn(
        ["overrides.j2", "kolla-build.conf"], demo(folder=Path("../demo")), ["here", "there"]
    )
    golden(overlay.text("site", "overrides.j2"), HERE / "expected/site.yaml")
    golden("\n\n".join(item.text("warning") for item in found) + "\n", HERE / "expected/site.txt")
    write_files(overlay.files, tmp_path / "files")
    files = sorted(path for path in (tmp_path / "files").rglob("*") if path.is_file())
    text = "".join(f"==> {path.relative_to(tmp_path)} <==\n{path.read_text()}" for path in files)
    golden(text, HERE / "expected/site-files.txt")
    # It fits the set, with the files beside it.
    folder = tmp_path / "demo"
    shutil.copytree("../demo", folder)
    (folder / "sites/there.yaml").write_text(
        (folder / "sites/here.yaml").read_text().replace("here", "there")
    )
    with (folder / "set.yaml").open("a") as header:
        header.write("site: there\n")
    (tmp_path / "site.yaml").write_text(overlay.text("site", "overrides.j2"))
    images = demo(tmp_path / "site.yaml", folder=folder).images
    assert images["heat-api"].config.user == "acme"
    assert images["neutron-server"].config.labels["name"] == "neutron-server"


def test_of_a_list_that_is_set_twice_the_last_counts(tmp_path: Path) -> None:
    text = "{% set a_packages_append = ['one'] %}\n{% set a_packages_append = ['two'] %}\n"
    overlay, found = turned(tmp_path, text)
    assert ("two" in overlay, "one" in overlay, found) == (True, False, [])


def test_what_is_appended_and_removed_was_never_there(tmp_path: Path) -> None:
    text = "{% set a_packages_append = ['one', 'two'] %}\n{% set a_packages_remove = ['one'] %}\n"
    overlay, _ = turned(tmp_path, text)
    assert overlay.endswith("    packages:\n      append:\n        - two  # x.j2:1\n")


def test_a_list_that_another_is_made_of_is_a_list(tmp_path: Path) -> None:
    text = "{% set names = ['a'] %}\n{% set x_packages_append = names %}\n"
    text += "{% set z_packages_append = x_packages_append + ['c'] %}\n"
    overlay, found = turned(tmp_path, text)
    assert overlay.count("- a ") == 2
    assert ("  x:\n" in overlay, "  z:\n" in overlay, found) == (True, True, [])


def test_of_a_list_that_is_overridden_nothing_else_counts(tmp_path: Path) -> None:
    text = "{% set cron_packages_append = ['one'] %}\n{% set cron_packages_remove = ['cronie'] %}\n"
    text += "{% set cron_packages_override = ['two'] %}\n{% set cron_centos_packages_append = ['three'] %}\n"
    overlay, found = turned(tmp_path, text, demo())
    said = [line.strip(" -").partition("  #")[0] for line in overlay.splitlines() if "  #" in line]
    assert said == ["two", "three", "cronie", "logrotate"]
    why = "of a list with '_override', Kolla takes nothing else"
    assert found == [f"'cron_packages_{name}' is not taken over: {why}" for name in ("append", "remove")]


LISTS = "{% set base_debian_packages_append = ['a'] %}\n{% set base_rhel_packages_append = ['b'] %}\n"


@pytest.mark.parametrize(
    ("installer", "taken", "left"), [("dnf", "b", "debian"), ("yum", "b", "debian"), ("apt", "a", "rhel")]
)
def test_lists_are_taken_that_are_for_the_distribution_of_the_set(
    installer: str, taken: str, left: str, tmp_path: Path
) -> None:
    made = demo()
    overlay, found = turned(tmp_path, LISTS, replace(made, site=replace(made.site, installer=installer)))
    said = [line.strip(" -").partition("  #")[0] for line in overlay.splitlines() if "  #" in line]
    assert said == [taken]
    assert found == [f"'base_{left}_packages_append' is not taken over: it is for {left}"]


def test_without_a_set_nobody_knows_what_it_is_a_distribution_of(tmp_path: Path) -> None:
    _, found = turned(tmp_path, LISTS)
    assert [message.rpartition(": ")[2] for message in found] == ["it is for debian", "it is for rhel"]


def test_places_are_those_of_the_file_whatever_is_in_it(tmp_path: Path) -> None:
    template = tmp_path / "x.j2"
    template.write_bytes(
        b"\xef\xbb\xbf{% block a_footer %}\r\n# a\x0cb\xe2\x80\xa8c\r\n  RUN curl x\r\n{% endblock %}\r\n"
    )
    configuration = tmp_path / "x.conf"
    configuration.write_text("\ufeff[DEFAULT]\n# a\fb\nbase = centos\n[a]]\nlocation = x\n y\n")
    _, found = turn([str(template), str(configuration)], None)
    assert [
        (item.spot.file[-4:], item.spot.line, item.spot.column, item.message.partition(" is not")[0])
        for item in found
    ] == [("conf", 3, 1, "'base'"), ("conf", 4, 1, "the source 'a]' from x y"), ("x.j2", 3, 3, "RUN")]


def test_braces_of_a_command_stay_braces(tmp_path: Path) -> None:
    overlay, found = turned(
        tmp_path,
        "{% block base_footer %}\nRUN ps --format '{% raw %}{{.ID}} {%x{% endraw %}'\n{% endblock %}\n",
    )
    file = tmp_path / "x.yaml"
    file.write_text(overlay)
    (*_, run) = demo(file).images["base"].instructions
    assert isinstance(run, im.Run)
    assert (run.argv[-1], found) == ("ps --format '{{.ID}} {%x'", [])


def block(name: str, *lines: str) -> str:
    return "\n".join([f"{{% block {name} %}}", *lines, "{% endblock %}\n"])


def runs(overlay: str) -> list[str]:
    lines = (line.strip(" -").partition("  #")[0] for line in overlay.splitlines())
    return [line for line in lines if line.startswith("run:")]


def test_a_command_has_the_variables_that_are_set_before_it(tmp_path: Path) -> None:
    footer = block("a_footer", "RUN rm -rf $D/*", 'ENV E="x y" D=/opt', 'RUN ["ls", "-l"]')
    overlay, found = turned(tmp_path, footer + block("a_header", "RUN true", "ENV D=/srv/acme", "RUN pwd"))
    assert runs(overlay) == [
        'run: [/bin/sh, -c, "true"]',
        "run: [/usr/bin/env, D=/srv/acme, /bin/sh, -c, pwd]",
        'run: [/usr/bin/env, D=/srv/acme, /bin/sh, -c, "rm -rf $D/*"]',
        'run: [/usr/bin/env, D=/opt, "E=x y", ls, -l]',
    ]
    assert found == []


@pytest.mark.parametrize("lost", ["ENV D=$B/x", "ENV D={{ b }}", "ENV E=1 D='", "ARG D=/srv", "ENV D $B"])
def test_a_command_is_lost_with_the_variable_that_it_uses(lost: str, tmp_path: Path) -> None:
    overlay, found = turned(
        tmp_path,
        block("a_header", lost, "RUN rm -rf $D/*", "RUN true")
        + block("a_footer", "RUN ls ${D}", "ENV D=/x", "RUN ls $D"),
    )
    assert runs(overlay) == ['run: [/bin/sh, -c, "true"]', 'run: [/usr/bin/env, D=/x, /bin/sh, -c, "ls $D"]']
    why = "RUN is not taken over: the value of D, which it uses, is not taken over"
    assert found[1:] == [why, why]


def test_what_looks_like_the_place_of_an_expression_is_text(tmp_path: Path) -> None:
    _, found = turned(tmp_path, "{% block a_footer %}\nRUN \ue0005\ue001\n{% endblock %}")
    assert found == []


def test_the_footer_of_every_image_takes_nothing_away(tmp_path: Path) -> None:
    overlay, found = turned(tmp_path, "{% block footer %}\nHEALTHCHECK NONE\nUSER root\n{% endblock %}")
    assert found == ["HEALTHCHECK in the block 'footer' is not taken over: `common:` takes nothing away"]
    assert "common" not in overlay


def test_the_footer_of_every_image_wins_over_what_an_image_says_itself(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shutil.copytree("demo", folder)
    with (folder / "set.yaml").open("a") as recipe:
        recipe.write("common: {labels: {vendor: nobody, maintainer: nobody}}\n")
    with (folder / "images/cron.yaml").open("a") as recipe:
        recipe.write("cmd: [old]\nlabels: {vendor: old, maintainer: old}\nhealthcheck: /old\nenv: {A: old}\n")
    configuration = tmp_path / "x.conf"
    configuration.write_text("[DEFAULT]\nmaintainer = me\n")
    template = tmp_path / "x.j2"
    template.write_text(
        block("footer", "CMD new", "LABEL vendor=acme", "HEALTHCHECK CMD new", "ENV A=new", "WORKDIR /w")
        + block("heat_api_footer", "LABEL vendor=heat", "WORKDIR /heat", "LABEL own=heat")
    )
    overlay, found = turn([str(template), str(configuration)], demo(folder=folder))
    file = tmp_path / "x.yaml"
    file.write_text(overlay.text("x", "x"))
    assert found == []
    for image in demo(file, folder=folder).images.values():
        said = image.config
        assert (said.cmd, said.env, said.workdir) == (("/bin/sh", "-c", "new"), {"A": "new"}, "/w")
        assert said.healthcheck == im.HealthCheck(("CMD-SHELL", "new"))
        more = {"own": "heat"} if image.name == "heat-api" else {}
        assert said.labels == {"vendor": "acme", "maintainer": "me", **more}
    # What the set says of all images is said over once.
    assert overlay.images.keys() == {"cron", "heat-api"}
    template.write_text(block("footer", "HEALTHCHECK NONE"))
    overlay, found = turn([str(template)], demo(folder=folder))
    file.write_text(overlay.text("x", "x"))
    assert found == []
    assert demo(file, folder=folder).images["cron"].config.healthcheck is None


def test_without_a_set_nobody_knows_which_images_say_it_themselves(tmp_path: Path) -> None:
    footers = block("footer", "LABEL vendor=acme") + block("a_footer", "LABEL vendor=a")
    overlay, found = turned(tmp_path, footers)
    assert overlay.count("vendor: acme") == 2
    what = "the block 'footer', where images say the same themselves,"
    assert found == [f"{what} is not taken over: which of them do is known only with the set"]


def test_a_value_that_doubles_itself_does_not_grow_for_ever(tmp_path: Path) -> None:
    lines = ["{% set a0 = 'aaaaaaaa' %}", *(f"{{% set a{n + 1} = a{n} + a{n} %}}" for n in range(60))]
    _, found = turned(tmp_path, "\n".join(lines))
    assert "'a14' is not taken over: its value is worked out by kolla-build" in found


def test_a_hostile_name_of_a_file_stays_in_its_comment(tmp_path: Path) -> None:
    file = tmp_path / "x\noverlay: y\n.j2"
    file.write_text("{% set a_packages_append = ['one'] %}")
    overlay, _ = turn([str(file)], None)
    text = overlay.text("x", str(file))
    assert [line for line in text.splitlines() if line.startswith("overlay:")] == ["overlay: x"]


WAYS = "which way it goes is known only to kolla-build"
NAMED = {
    "{% for x in [1] %}{% endfor %}": ("a loop", WAYS),
    "{% macro m() %}{% endmacro %}": ("a macro", "only kolla-build can fill it in"),
    "{% block a_footer %}{% if x %}\nRUN true\n{% endif %}{% endblock %}": ("a condition", WAYS),
    "{% block a_footer %}{% include 'x' %}{% endblock %}": ("'include'", "only kolla-build can fill it in"),
    "{% set nova_tag = 'x' %}": (
        "'nova_tag'",
        "it is not a list of packages that Kolla's templates let users change",
    ),
    "{% block a_footer %}{% block b %}{% endblock %}{% endblock %}": (
        "the block 'b'",
        "it stands in another block",
    ),
    "RUN --mount=type=cache,target=/x true": ("RUN", "a `run` has no options"),
    "ENV A='b": ("ENV", "a quotation mark has no partner"),
    "LABEL a=b c": ("LABEL", "'c' is not of the form NAME=VALUE"),
    "RUN true && \\\n  {{ macros.x() }}": ("an expression", "only kolla-build can fill it in"),
    "RUN true && \\\n{# why #}\n  {{ x }} \\\n  && false": (
        "an expression",
        "only kolla-build can fill it in",
    ),
    "HEALTHCHECK what": ("HEALTHCHECK", "it is not understood"),
    "{% set x = y %}": ("'x'", "its value is worked out by kolla-build"),
    "{% set a_packages_append = ['one', 'two three'] %}": (
        "'a_packages_append'",
        "'two three' is not a package's name",
    ),
    "COPY a b": ("COPY", "what it copies lies in the context of kolla-build"),
}


@pytest.mark.parametrize("text", NAMED)
def test_what_cannot_be_said_is_named(text: str, tmp_path: Path) -> None:
    what, why = NAMED[text]
    block = f"{{% block a_footer %}}\n{text}\n{{% endblock %}}" if text[0].isalpha() else text
    overlay, found = turned(tmp_path, block)
    assert found == [f"{what} is not taken over: {why}"]
    assert "run:" not in overlay
    assert "steps:" not in overlay


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        ("yum install -y a b", ["packages: [a, b]"]),
        (
            "apt-get update && apt-get -y install a && apt-get clean && rm -rf /var/lib/apt/lists/*",
            ["packages: [a]"],
        ),
        ("dnf -y remove a && dnf -y install b", ["remove-packages: [a]", "packages: [b]"]),
    ],
)
def test_what_a_package_manager_does_is_a_step(command: str, steps: list[str], tmp_path: Path) -> None:
    overlay, found = turned(tmp_path, f"{{% block a_footer %}}\nRUN {command}\n{{% endblock %}}\n")
    assert [line.strip(" -").partition("  #")[0] for line in overlay.splitlines() if "[" in line] == steps
    assert found == []


def test_what_is_imported_is_named_where_it_is_used(tmp_path: Path) -> None:
    head = '{% import "macros.j2" as macros with context %}\n{% from "x.j2" import y %}\n'
    _, found = turned(tmp_path, head + block("a_footer", "{% import 'z.j2' as z %}", "{{ z.a() }}"))
    assert found == ["an expression is not taken over: only kolla-build can fill it in"]


def test_a_command_that_runs_as_root_in_the_root_is_a_step(tmp_path: Path) -> None:
    lines = [
        "USER root:root",
        "WORKDIR /x",
        "WORKDIR /",
        "RUN one",
        "USER 0:0",
        "RUN two",
        "USER root:nova",
        "RUN three",
    ]
    overlay, found = turned(tmp_path, block("a_footer", *lines))
    assert runs(overlay) == ["run: [/bin/sh, -c, one]", "run: [/bin/sh, -c, two]"]
    assert [message.partition(":")[0] for message in found] == [
        "USER is not taken over", "RUN is not taken over",
    ]  # fmt: skip


def test_a_number_is_made_of_the_digits_of_numbers(tmp_path: Path) -> None:
    overlay, found = turned(tmp_path, block("a_footer", "HEALTHCHECK --retries=² CMD true"))
    assert ('retries: "²"' in overlay, found) == (True, [])
    configuration = tmp_path / "x.conf"
    configuration.write_text("[nova-user]\nuid = ²\n")
    _, more = turn([str(configuration)], demo())
    assert [item.message for item in more] == ["the account 'nova' is not taken over: '²' is not a number"]


def test_a_line_that_goes_on_from_a_name_alone_is_a_mistake(tmp_path: Path) -> None:
    configuration = tmp_path / "x.conf"
    configuration.write_text("[DEFAULT]\nfoo\n  bar\n")
    with pytest.raises(Refused, match="kolla-syntax"):
        turn([str(configuration)], demo())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("curl -fsSLO https://a.example/b/c.tar", ["download: https://a.example/b/c.tar", "to: /c.tar"]),
        ("curl https://a.example/x > /srv/x", ["download: https://a.example/x", "to: /srv/x"]),
        ("wget -P /srv https://a.example/x", ["download: https://a.example/x", "to: /srv/x"]),
        ("wget -qO /srv/y https://a.example/x", ["download: https://a.example/x", "to: /srv/y"]),
        ("curl -o x https://a.example/x && ./x", ["download: https://a.example/x", "to: /x",
                                                   'run: [/bin/sh, -c, "./x"]']),
        ("yum -y install a && mkdir /b || true", None),
        ("A=1 && yum -y install a && echo $A", ["packages: [a]", 'run: [/bin/sh, -c, "A=1 && echo $A"]']),
        ("V=1.2 && curl -o /x https://a.example/x-${V}", ["download: https://a.example/x-1.2", "to: /x"]),
        ("set -eux; \\\n  yum -y install a; \\\n  cd /srv; \\\n  curl -O https://a.example/x; chmod 700 x;",
         ["packages: [a]", "download: https://a.example/x", "to: /srv/x",
          'run: [/bin/sh, -c, "cd /srv && set -eux && chmod 700 x"]']),
        ("umask 077 && yum -y install a && mkdir /b",
         ["packages: [a]", 'run: [/bin/sh, -c, "umask 077 && mkdir /b"]']),
        ("A=$(id -u) && yum -y install a && echo $A", None),
        (". /venv/activate && pip install a", None),
        ("set -e; if true; then yum -y install a; fi", None),
        ("curl -d x -o y https://a.example/x", None),
        ("curl -o y https://a.example/$X", None),
        ("curl https://a.example/x", None),
        ("curl https://a.example/x | sh && curl file:///etc/passwd", None),
        ("pip install --index-url https://a.example a", None),
        ("pip install -r list.txt", None),
        ("mysql <dump && yum -y install a", ['run: [/bin/sh, -c, "mysql <dump"]', "packages: [a]"]),
        ("pip install .", None),
        ("rpm -i https://a.example/a.rpm", None),
        ("(cd /x && curl -o y https://a.example/x)", None),
    ],
)  # fmt: skip
def test_a_command_is_taken_whole_or_not_at_all(command: str, said: list[str] | None, tmp_path: Path) -> None:
    overlay, found = turned(tmp_path, block("a_footer", f"RUN {command}"), demo(folder=with_a(tmp_path)))
    steps = [line.strip(" -").partition("  #")[0] for line in overlay.partition("append:")[2].splitlines()]
    assert [line for line in steps if line] == (said or [])
    assert [message.partition(":")[0] for message in found] == ([] if said else ["RUN is not taken over"])


def with_a(tmp_path: Path) -> Path:
    """The set with an image called a."""
    shutil.copytree("demo", tmp_path / "demo")
    (tmp_path / "demo/images/a.yaml").write_text("image: a\nfrom: base\n")
    return tmp_path / "demo"


def test_an_archive_that_a_person_made_lies_beside_the_overrides(tmp_path: Path) -> None:
    (tmp_path / "additions-archive.tar").write_text("")
    overlay, found = turned(tmp_path, block("a_footer", "ADD additions-archive /", "ADD plugins-archive /"))
    assert [line.strip(" -").partition("  #")[0] for line in overlay.splitlines()[6:]] == [
        "copy: a/additions-archive.tar",
        "to: /var/tmp/additions-archive.tar",
        "run: [tar, -x, -f, /var/tmp/additions-archive.tar, -C, /]",
        "remove: /var/tmp/additions-archive.tar",
    ]
    assert found == ["plugins-archive is not taken over: no section a-plugin-NAME describes its content"]


def test_a_version_is_the_locks(tmp_path: Path) -> None:
    text = "{% set a_packages_append = ['one=1.2-3', 'two'] %}\n{% set a_packages_remove = ['three=3'] %}\n"
    overlay, found = turned(tmp_path, text)
    said = [line.strip(" -").partition("  #")[0] for line in overlay.splitlines() if "  #" in line]
    assert said == ["one", "two", "three"]
    what = "the version of 'one=1.2-3' in 'a_packages_append'"
    assert found == [f"{what} is not taken over: the site's repositories decide that"]


def test_overrides_that_are_a_template_of_mako_themselves_are_read(tmp_path: Path) -> None:
    lines = ('RUN yum -y install a ${"\\\\"}', "    && touch /b", "LABEL v=${version}")
    overlay, found = turned(tmp_path, block("a_footer", *lines))
    assert ("packages: [a]" in overlay, runs(overlay)) == (True, ['run: [/bin/sh, -c, "touch /b"]'])
    assert found == ["LABEL is not taken over: the value of v is made of another"]


def test_pip_keeps_what_it_is_told_of_versions(tmp_path: Path) -> None:
    command = "/venv/bin/pip install --no-cache-dir -c /u.txt 'one>=1,<2' \"two[x]\" three==3 >/dev/null"
    overlay, found = turned(tmp_path, block("a_footer", f"RUN {command}"), demo(folder=with_a(tmp_path)))
    (run,) = runs(overlay)
    assert run.endswith('--find-links=/var/tmp/wheels, -c, /u.txt, "one>=1,<2", "two[x]", three==3]')
    assert found == ["what pip downloads for 'a' is not taken over: it is installed from files/wheels/a"]


def test_a_user_is_taken_where_it_is_another(tmp_path: Path) -> None:
    lines = ("RUN one", "USER acme", 'RUN ["two", "a b"]', "USER 42", "RUN three")
    overlay, found = turned(tmp_path, block("cron_footer", *lines), demo())
    assert runs(overlay) == [
        "run: [/bin/sh, -c, one]",
        "run: [su, -s, /bin/sh, acme, -c, \"two 'a b'\"]",
    ]
    assert 'user: "42"' in overlay
    assert found == ["RUN is not taken over: it would run as 42, and a `run` is root's"]
    overlay, found = turned(tmp_path, block("neutron_server_footer", "USER root", "USER neutron"), demo())
    assert ("user:" in overlay, found) == (False, [])
    _, found = turned(tmp_path, block("cron_header", "USER acme"), demo())
    assert found == ["USER is not taken over: Kolla's template sets the image's user after this block"]


def test_what_leads_out_of_the_folder_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("")
    (tmp_path / "in/link").symlink_to("../secret")
    file = tmp_path / "in/x.j2"
    file.write_text(block("a_footer", "COPY ../secret /a", "COPY link /b", "COPY /etc/hostname /c"))
    overlay, found = turn([str(file)], None)
    assert overlay.files == {}
    why = "what it copies lies in the context of kolla-build"
    assert [item.message for item in found] == [f"COPY is not taken over: {why}"] * 3


@pytest.mark.parametrize(
    "command",
    [
        "yum update",
        "yum -y remove gcc && yum -y autoremove",
        "yum -y install $X",
        "dnf module enable x",
        "yum -y install a; id",
        "yum -y install --enablerepo far a",
        "yum --disablerepo=near -y install a",
    ],
)
def test_what_else_it_does_is_named(command: str, tmp_path: Path) -> None:
    _, found = turned(tmp_path, f"{{% block a_footer %}}\nRUN {command}\n{{% endblock %}}\n")
    assert found == [
        f"RUN is not taken over: {command.partition(' ')[0]} wants the network, and a `run` has none"
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.j2", "one\n{% block %}\n", """\
x.j2:2:1: error: this is not a template: expected token 'name', got 'end of statement block' [kolla-syntax]
  2 | {% block %}
    | ^"""),
        ("x.conf", "[a]\nb = c\nwhat is this\n=\n", """\
x.conf:4:1: error: this is not a configuration: sections, and NAME = VALUE below them [kolla-syntax]
  4 | =
    | ^"""),
        ("x.conf", "b = c\n", """\
x.conf:1:1: error: this is not a configuration: sections, and NAME = VALUE below them [kolla-syntax]
  1 | b = c
    | ^"""),
        ("x.j2", "{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}", """\
x.j2:1:1: error: this template is nested too deeply to be read [kolla-syntax]"""),
        ("x.txt", "", """\
error: x.txt is neither .j2 nor .conf [bad-choice]
  hint: template overrides are called NAME.j2, and a configuration kolla-build.conf"""),
        ("gone.j2", None, """\
gone.j2:1:1: error: cannot read this file: no such file or directory [unreadable-file]"""),
    ],
    ids=["template", "configuration", "section", "deep", "other", "gone"],
)  # fmt: skip
def test_what_cannot_be_read_is_a_mistake(
    name: str, text: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path(name).write_text(text)
    _lines.cache_clear()
    with pytest.raises(Refused) as refused:
        turn([name], None)
    text_of = refused.value.text()
    assert text_of.partition("\n  1 | {{ ((")[0] == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("STOPSIGNAL 99", "stop-signal is not taken over: '99' is not a signal"),
        ("EXPOSE a/b", "'a/b' is not taken over: it is not one of ports"),
        ("USER a b", "user is not taken over: 'a b' is not a user"),
        ("VOLUME relative", "'relative' is not taken over: it is not one of volumes"),
    ],
)
def test_what_no_recipe_can_say_is_named_and_the_rest_is_taken(tmp_path: Path, text: str, said: str) -> None:
    block = "{% block cron_footer %}\n" + text + "\nENV A=b\n{% endblock %}\n"
    overlay, found = turned(tmp_path, block, demo())
    (tmp_path / "x.yaml").write_text(overlay)
    assert found == [said]
    assert demo(tmp_path / "x.yaml").images["cron"].config.env["A"] == "b"


def test_a_step_with_a_package_whose_name_no_package_has(tmp_path: Path) -> None:
    macro = "{{ macros.install_packages(['one', 'two three']) }}"
    block = "{% block cron_footer %}\n" + macro + "\nENV A=b\n{% endblock %}\n"
    overlay, found = turned(tmp_path, block, demo())
    assert found == ["'packages' is not taken over: 'two three' is not a package's name"]
    assert ("two three" in overlay, "A: b" in overlay) == (False, True)
