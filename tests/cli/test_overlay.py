"""overlay new and overlay show: what is written to begin with, and what is said of changes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

ACME = """\
overlay: acme
variables: {colour: blue}
common: {annotations: {vendor: acme}}
sites:
  far:
    repositories: {acme: {url: "https://acme.example/rpm", gpgcheck: false}}
images:
  app:
    packages: {append: [driver, agent]}
    before: {append: [{mkdir: /srv/acme}]}
    steps: {remove: [{chmod: /srv/page, mode: "644"}]}
    repositories: {acme: {file: /etc/acme.repo, options: {name: acme}}}
    accounts: {acme: {uid: 7, home: /srv/acme}}
    env: {PAGE: ~, EMPTY: ""}
    user: ~
    ports: {append: ["80/tcp"]}
    test: {run: [[serve, --version]]}
  side-door:
    from: {image: "registry.example/side-door:1"}
  base:
    packages: {remove: [tree]}
recipes:
  - {image: tools, from: base, packages: [socat]}
"""
SHOWN = """\
changed	(set)	variables colour	red	blue	acme.yaml:2:21
added	(site far)	repositories acme		{url: https://acme.example/rpm, gpgcheck: false}	acme.yaml:6:20
added	alone	annotations vendor		acme	acme.yaml:3:32
added	app	packages		driver	acme.yaml:9:25
added	app	packages		agent	acme.yaml:9:33
added	app	accounts acme		{uid: 7, gid: 7, home: /srv/acme, shell: /usr/sbin/nologin}	acme.yaml:13:22
added	app	repositories acme		{file: /etc/acme.repo, options: {name: acme}}	acme.yaml:12:26
added	app	steps		mkdir: [/srv/acme]	acme.yaml:10:23
removed	app	steps	chmod: [/srv/page], mode: "644"		acme.yaml:11:22
removed	app	user	nobody		acme.yaml:15:5
changed	app	cmd	[serve, --colour, red]	[serve, --colour, blue]	recipes/tiny/images/app.yaml:10:6
removed	app	env PAGE	"yes"		acme.yaml:14:11
added	app	env EMPTY		""	acme.yaml:14:27
added	app	annotations vendor		acme	acme.yaml:3:32
added	app	ports		"80/tcp"	acme.yaml:16:22
added	app	test		run	acme.yaml:17:5
removed	base	packages	tree		acme.yaml:21:25
added	base	annotations vendor		acme	acme.yaml:3:32
changed	side-door	from	base	{image: registry.example/side-door:1}	acme.yaml:19:11
added	side-door	annotations vendor		acme	acme.yaml:3:32
added	tools	image		from: base	acme.yaml:23:13
"""


@pytest.fixture
def acme(here: Path) -> Path:
    path = here / "acme.yaml"
    path.write_text(ACME)
    return path


def test_every_change_is_told_with_its_place(buildsys: Run, acme: Path) -> None:
    done = buildsys("overlay", "show", "tiny", "--overlay", acme.name)
    assert done.stdout == SHOWN
    assert done.stderr == "tiny: 5 images are other than without acme.yaml\n"
    assert done.returncode == 0


def test_of_what_two_overlays_give_a_site_the_last_counts(buildsys: Run, acme: Path, here: Path) -> None:
    again = here / "again.yaml"
    again.write_text(
        "overlay: again\nsites:\n  far:\n"
        "    repositories: {acme: {url: 'http://two.example', gpgcheck: false}}\n"
    )
    done = buildsys("overlay", "show", "tiny", "--overlay", acme.name, "--overlay", again.name)
    assert [line for line in done.stdout.splitlines() if "(site" in line] == [
        "added\t(site far)\trepositories acme\t\t{url: http://two.example, gpgcheck: false}\tagain.yaml:4:20"
    ]


def test_the_same_as_data(buildsys: Run, acme: Path) -> None:
    found = json.loads(buildsys("overlay", "show", "tiny", "--overlay", acme.name, "--json").stdout)
    keys = ("change", "image", "what", "before", "after", "at")
    assert ["\t".join(item[key] for key in keys) for item in found] == SHOWN.splitlines()


def test_what_a_trait_brought_goes_with_the_trait(buildsys: Run, here: Path) -> None:
    trait = here / "recipes/tiny/traits/web.yaml"
    trait.parent.mkdir()
    trait.write_text("trait: web\npackages: [httpd]\nsteps: [{touch: /web}]\n")
    app = here / "recipes/tiny/images/app.yaml"
    app.write_text(app.read_text() + "uses: [web]\n")
    (here / "less.yaml").write_text("overlay: less\nimages: {app: {uses: {remove: [web]}}}\n")
    done = buildsys("overlay", "show", "tiny", "--overlay", "less.yaml")
    assert done.stdout == (
        "removed	app	packages	httpd		less.yaml:2:31\n"
        "removed	app	steps	touch: [/web]		less.yaml:2:31\n"
    )


def test_each_step_is_taken_away_where_that_is_said(buildsys: Run, here: Path) -> None:
    app = here / "recipes/tiny/images/app.yaml"
    steps = ["{touch: /a}", "{touch: /a/b}", 'run: "echo \\"x\\" {{ colour }}"', "{touch: /c}"]
    app.write_text("image: app\nfrom: base\nsteps:\n" + "".join(f"  - {step}\n" for step in steps))
    (here / "less.yaml").write_text(
        "overlay: less\nimages:\n  app:\n    steps:\n      remove:\n"
        + "".join(f"        - {step}\n" for step in reversed(steps))
    )
    done = buildsys("overlay", "show", "tiny", "--overlay", "less.yaml")
    assert done.stderr == "tiny: 1 image is other than without less.yaml\n"
    assert [line.split("\t")[3::2] for line in done.stdout.splitlines()] == [
        ["touch: [/a]", "less.yaml:9:11"],
        ["touch: [/a/b]", "less.yaml:8:11"],
        ['run: [/bin/sh, -ec, "echo \\"x\\" red"]', "less.yaml:7:11"],
        ["touch: [/c]", "less.yaml:6:11"],
    ]


def test_without_an_overlay_there_is_nothing_to_show(buildsys: Run) -> None:
    done = buildsys("overlay", "show", "tiny")
    assert (done.returncode, done.stderr) == (2, "error: no overlay is named: --overlay FILE\n")


def test_a_new_overlay_fits_any_set_and_changes_nothing(buildsys: Run) -> None:
    done = buildsys("overlay", "new", "acme")
    assert done.stderr == (
        "acme.yaml: an overlay that changes nothing yet; "
        "edit it, then: buildsys check SET --overlay acme.yaml\n"
    )
    assert buildsys("check", "tiny", "--overlay", "acme.yaml").returncode == 0
    assert buildsys("overlay", "show", "tiny", "--overlay", "acme.yaml").stdout == ""


@pytest.mark.parametrize("name", ["123", "1.5", "null", "on", "2017-01-01"])
def test_a_name_that_yaml_takes_for_something_else(buildsys: Run, here: Path, name: str) -> None:
    buildsys("overlay", "new", name, "-o", "it.yaml")
    assert buildsys("check", "tiny", "--overlay", "it.yaml").returncode == 0
    file = here / "it.yaml"
    file.write_text(file.read_text().replace("#common:", "common:").replace("#  labels:", "  labels:", 1))
    shown = buildsys("overlay", "show", "tiny", "--overlay", "it.yaml").stdout.splitlines()
    assert shown[0] == f'added\talone\tlabels vendor\t\t"{name}"\tit.yaml:14:20'


@pytest.mark.parametrize(
    ("file", "said"),
    [("my own.yaml", "'my own.yaml'"), ("two\nlines: {.yaml", "'two lines: {.yaml'"), ("\udcff.yaml", None)],
)
def test_a_new_overlay_is_right_whatever_its_file_is_called(
    buildsys: Run, here: Path, file: str, said: str | None
) -> None:
    done = buildsys("overlay", "new", "acme", "-o", file)
    assert done.returncode == 0
    assert buildsys("check", "tiny", "--overlay", file).returncode == 0
    head = (here / file).read_text().splitlines()
    assert head[5] == "overlay: acme"
    if said:
        assert head[1] == f"# Its mistakes:  buildsys check SET --overlay {said}"


def test_a_new_overlay_is_written_whole_or_not_at_all(here: Path, environment: dict[str, str]) -> None:
    limited = ["prlimit", "--fsize=10", sys.executable, "-m", "buildsys", "overlay", "new", "acme"]
    done = subprocess.run(limited, cwd=here, env=environment, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "error: acme.yaml: File too large\n")
    assert not (here / "acme.yaml").exists()


def test_all_the_examples_of_a_new_overlay_hold(buildsys: Run, here: Path) -> None:
    buildsys("overlay", "new", "acme", "-o", "mine.yaml")
    file = here / "mine.yaml"
    file.write_text(re.sub(r"^#(?! \S)", "", file.read_text(), flags=re.MULTILINE))
    (here / "files").mkdir()
    (here / "files/app.conf").write_text("")
    demo = here / "recipes/demo"
    for name, text in {
        "set.yaml": "set: demo\nnamespace: example\ntag: latest\nepoch: 1\nvariables: {colour: red}\n",
        "sites/here.yaml": "site: here\ninstaller: dnf\nbase: {bootstrap: [bash]}\n",
        "images/app.yaml": "image: app\nfrom: site\npackages: [httpd]\nlabels: {version: '1'}\n"
        "steps: [{touch: /etc/app.conf}]\n",
    }.items():
        (demo / name).parent.mkdir(parents=True, exist_ok=True)
        (demo / name).write_text(text)
    done = buildsys("overlay", "show", "demo", "--overlay", "mine.yaml")
    assert done.returncode == 0, done.stderr
    told = [tuple(line.split("\t")[1:3]) for line in done.stdout.splitlines()]
    assert told == [
        ("(set)", "variables colour"),
        ("(site here)", "repositories acme"),
        ("acme-agent", "image"),
        ("acme-tools", "image"),
        ("app", "packages"),
        ("app", "packages"),
        ("app", "steps"),
        ("app", "steps"),
        ("app", "steps"),
        ("app", "labels version"),
        ("app", "labels vendor"),
        ("app", "user"),
    ]


def test_a_file_that_is_there_stays(buildsys: Run, acme: Path) -> None:
    done = buildsys("overlay", "new", "acme")
    assert done.returncode == 2
    assert done.stderr == (
        "error: acme.yaml is there already [file-exists]\n  hint: choose another name with -o, or remove it\n"
    )
    assert acme.read_text() == ACME


def test_the_name_of_an_overlay_is_one_word(buildsys: Run) -> None:
    done = buildsys("overlay", "new", "Acme/x")
    assert done.returncode == 2
    assert done.stderr == (
        "error: 'Acme/x' cannot name an overlay [bad-name]\n"
        "  hint: use a-z and 0-9, joined by single '-', '_' or '.'\n"
    )
