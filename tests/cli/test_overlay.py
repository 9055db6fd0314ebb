"""overlay new and overlay show: what is written to begin with, and what is said of changes."""

from __future__ import annotations

import json
import re
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
    packages: {append: [driver]}
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
