"""import: what is said, what is written, and how it ends."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run

OVERRIDES = "{% set app_packages_append = ['driver'] %}\n{% set x_packages_append = ['x'] %}\n"
SAID = """\
overrides.j2:2:1: warning: 'x_packages_append' is not taken over: the set has no image 'x' [not-taken-over]
  2 | {% set x_packages_append = ['x'] %}
    | ^

overrides.yaml: 1 change of 1 image, 1 not taken over
"""


def test_overrides_become_an_overlay(buildsys: Run, here: Path) -> None:
    (here / "overrides.j2").write_text(OVERRIDES)
    done = buildsys("import", "kolla-overrides", "overrides.j2", "--set", "tiny")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", SAID)
    shown = buildsys("overlay", "show", "tiny", "--overlay", "overrides.yaml").stdout
    assert shown == "added\tapp\tpackages\t\tdriver\toverrides.yaml:7:11\n"


def test_an_overlay_that_is_there_stays(buildsys: Run, here: Path) -> None:
    (here / "overrides.j2").write_text(OVERRIDES)
    (here / "overrides.yaml").write_text("mine")
    done = buildsys("import", "kolla-overrides", "overrides.j2")
    assert done.returncode == 2
    assert done.stderr == (
        "error: overrides.yaml is there already [file-exists]\n"
        "  hint: choose another name with -o, or remove it\n"
    )
    assert (here / "overrides.yaml").read_text() == "mine"


def test_what_no_recipe_can_say_is_named_and_left_out(buildsys: Run, here: Path) -> None:
    (here / "overrides.j2").write_text("{% block app_footer %}\nEXPOSE much\n{% endblock %}\n")
    done = buildsys("import", "kolla-overrides", "overrides.j2", "--set", "tiny")
    assert done.returncode == 0
    assert done.stderr == (
        "overrides.j2:2:1: warning: 'much/tcp' is not taken over: it is not one of ports [not-taken-over]\n"
        "  2 | EXPOSE much\n"
        "    | ^\n\n"
        "overrides.yaml: 0 changes of 0 images, 1 not taken over\n"
    )


def test_a_tree_becomes_a_set(buildsys: Run, here: Path) -> None:
    for name, text in {"base": "FROM scratch\nCOPY motd /motd\n", "app": "FROM base\n"}.items():
        (here / "shop" / name).mkdir(parents=True)
        (here / "shop" / name / "Containerfile").write_text(text)
    done = buildsys("import", "containerfiles", "shop")
    assert done.returncode == 0
    assert (
        done.stderr
        == """\
shop/base/Containerfile:2:1: warning: COPY needs 'motd', which is not in shop/base [not-taken-over]
  2 | COPY motd /motd
    | ^
  hint: a context is the folder of its Containerfile

recipes/shop: 2 images, 1 warning
"""
    )
    listed = buildsys("list", "shop").stdout.splitlines()
    assert [line.split("\t")[:3] for line in listed] == [
        ["base", "scratch", "localhost/shop/base:latest"],
        ["app", "base", "localhost/shop/app:latest"],
    ]


def test_a_tree_of_tcib_becomes_a_set(buildsys: Run, here: Path) -> None:
    text = "tcib_actions:\n- run: dnf -y install {{ tcib_packages.common | join(' ') }}\n- onbuild: RUN x\n"
    (here / "t/base/app").mkdir(parents=True)
    (here / "t/base/base.yaml").write_text(text + "tcib_packages: {common: [bash]}\n")
    (here / "t/base/app/app.yaml").write_text("tcib_user: app\n")
    done = buildsys("import", "tcib", "t", "-o", "recipes/shop", "--base", "registry.example/os:9")
    assert done.returncode == 0
    assert (
        done.stderr
        == """\
t/base/base.yaml:3:3: warning: ONBUILD is not taken over: a recipe has nothing of the kind [not-taken-over]
  3 | - onbuild: RUN x
    |   ^

recipes/shop: 2 images, 1 warning
"""
    )
    listed = buildsys("list", "shop").stdout.splitlines()
    assert [line.split("\t")[:3] for line in listed] == [
        ["base", "registry.example/os:9", "localhost/shop/openstack-base:latest"],
        ["app", "base", "localhost/shop/openstack-app:latest"],
    ]


def test_files_that_are_there_stay(buildsys: Run, here: Path) -> None:
    (here / "overrides.j2").write_text("{% block app_footer %}\nCOPY conf /etc/conf\n{% endblock %}\n")
    (here / "conf").write_text("new")
    (here / "files/app").mkdir(parents=True)
    (here / "files/app/conf").write_text("mine")
    done = buildsys("import", "kolla-overrides", "overrides.j2", "--set", "tiny")
    assert (done.returncode, done.stderr) == (
        2,
        "error: files/app/conf is there already [file-exists]\n  hint: move it away, or choose -o\n",
    )
    assert not (here / "overrides.yaml").exists()
    (here / "files/app/conf").write_text("new")
    assert buildsys("import", "kolla-overrides", "overrides.j2", "--set", "tiny").returncode == 0
    assert buildsys("check", "tiny", "--overlay", "overrides.yaml").returncode == 0
