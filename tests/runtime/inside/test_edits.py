"""Verbs that change what a file says."""

from __future__ import annotations

import pytest

from tests.runtime.roots import Box

CONF = "/etc/httpd/httpd.conf"


def test_comment(box: Box) -> None:
    path = box.write(CONF, "Listen 80\n#Listen 80\nListen 8080\n  Listen 80\n", 0o640)
    before = path.stat().st_ino
    box.works(("comment", "^Listen 80$", CONF))
    assert box.text(CONF) == "#Listen 80\n#Listen 80\nListen 8080\n  Listen 80\n"
    assert (box.mode(CONF), path.stat().st_ino) == ("640", before)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("^/usr/bin/a|^b/c", "/usr/bin/a"),
        (r"^\[main\]$", "[main]"),
        ("it's", "it's"),
        ("a{2}(b|c)+", "aabc"),
        ("-e x", "-e x"),
        ("x#y", "x#y"),
        ("\\$HOME", "$HOME"),
        ("a,b;c!d", "a,b;c!d"),
        ("\u00e9", "caf\u00e9"),
    ],
)
def test_patterns_are_extended_expressions_whatever_they_hold(box: Box, pattern: str, line: str) -> None:
    box.write(CONF, f"first\n{line}\nlast\n")
    box.works(("require", pattern, CONF), ("comment", pattern, CONF))
    assert box.text(CONF) == f"first\n#{line}\nlast\n"
    box.write(CONF, f"first\n{line}\nlast\n")
    box.works(("replace", pattern, "<&>", CONF))
    assert box.text(CONF).count("<") == 1


@pytest.mark.parametrize(
    ("pattern", "replacement", "result"),
    [
        ("^user = .*", "user = nova", "user = nova\npath=/a/b\n"),
        ("path=(.*)/b", r"path=\1/c", "user = root\npath=/a/c\n"),
        ("/a/b", "&/c|d", "user = root\npath=/a/b/c|d\n"),
        ("o", "0", "user = r00t\npath=/a/b\n"),
        ("root", 'it\'s "$HOME" `id` \\\\ \\&', 'user = it\'s "$HOME" `id` \\ &\npath=/a/b\n'),
        ("^path=.*", "one\ntwo", "user = root\none\ntwo\n"),
        ("^path=.*", "", "user = root\n\n"),
    ],
)
def test_replace(box: Box, pattern: str, replacement: str, result: str) -> None:
    box.write(CONF, "user = root\npath=/a/b\n")
    box.works(("replace", pattern, replacement, CONF))
    assert box.text(CONF) == result


@pytest.mark.parametrize(
    "verb", [("comment", "^absent$"), ("replace", "^absent$", "x"), ("replace", "^a", "a")], ids=str
)
def test_an_edit_that_changes_nothing_fails_unless_optional(box: Box, verb: tuple[str, ...]) -> None:
    box.write(CONF, "a\nb\n")
    assert box.fails((*verb, CONF)).startswith(f"error: {CONF}: the edit matches no line\n")
    assert box.fails((*verb, "/etc/none")).startswith("error: /etc/none: no such file in the image\n")
    box.works(("optional", *verb, CONF), ("optional", *verb, "/etc/none"))
    assert box.text(CONF) == "a\nb\n"


@pytest.mark.parametrize("verb", ["comment", "require"])
def test_a_broken_pattern_fails(box: Box, verb: str) -> None:
    box.write(CONF, "a(\n")
    box.fails((verb, "a(", CONF))
    box.fails(("optional", verb, "a(", CONF))
    assert box.text(CONF) == "a(\n"


def test_an_edit_keeps_an_unfinished_last_line(box: Box) -> None:
    box.write(CONF, "a\nb")
    box.works(("replace", "a", "c", CONF))
    assert box.text(CONF).rstrip("\n") == "c\nb"


def test_edits_go_through_links_within_the_root(box: Box) -> None:
    box.write("/srv/real", "a\n")
    box.path("/etc/link").symlink_to("/srv/real")
    box.works(("replace", "a", "b", "/etc/link"), ("append", "/etc/link", "c"))
    assert box.text("/srv/real") == "b\nc\n"
    assert box.path("/etc/link").is_symlink()


def test_append(box: Box) -> None:
    box.write(CONF, "first\nunfinished")
    box.works(
        ("append", CONF, "two  spaces ", "-n", "%s \\n $HOME 'x'", ""), ("append", "/etc/new/file", "a\nb")
    )
    assert box.text(CONF) == "first\nunfinished\ntwo  spaces \n-n\n%s \\n $HOME 'x'\n\n"
    assert (box.text("/etc/new/file"), box.mode("/etc/new/file")) == ("a\nb\n", "644")


def test_append_to_an_empty_file(box: Box) -> None:
    box.write(CONF, "")
    box.works(("append", CONF, "a"))
    assert box.text(CONF) == "a\n"


def test_append_file(box: Box) -> None:
    box.write("/tmp/source", "new\n")
    box.write(CONF, "unfinished")
    box.works(("append_file", "/tmp/source", CONF), ("append_file", "/tmp/source", "/etc/deep/made"))
    assert [box.text(CONF), box.text("/etc/deep/made")] == ["unfinished\nnew\n", "new\n"]
    assert box.fails(("append_file", "/tmp/none", CONF)) == "error: /tmp/none: no such file in the image\n"


def test_require(box: Box) -> None:
    box.write("/etc/system-release", "CentOS Linux release 7.4.1708 (Core)\n")
    box.works(("require", "release 7\\.", "/etc/system-release"))
    assert box.fails(("require", "release 8", "/etc/system-release")) == (
        "error: /etc/system-release: no line matches release 8\n"
    )
    assert box.fails(("require", "x", "/etc/none")) == "error: /etc/none: no such file in the image\n"


def test_repository(box: Box) -> None:
    options = ["name", "a b", "baseurl", "http://x/$releasever", "gpgcheck", "1"]
    box.works(("repository", "/etc/yum.repos.d/x.repo", "one", *options))
    box.works(("repository", "/etc/yum.repos.d/x.repo", "two", "name", "c"))
    assert box.text("/etc/yum.repos.d/x.repo") == (
        "[one]\nname=a b\nbaseurl=http://x/$releasever\ngpgcheck=1\n[two]\nname=c\n"
    )


def test_disable_repository(box: Box) -> None:
    text = "[a.b]\nname=x\nenabled=1\n[aXb]\nenabled=1\n[c] \nname=y\nenabled = 1\n"
    box.write("/etc/yum.repos.d/x.repo", text)
    box.write("/etc/yum.repos.d/y.repo", "[d]\nname=z\n")
    box.works(("disable_repository", "a.b"), ("disable_repository", "c"), ("disable_repository", "d"))
    assert box.text("/etc/yum.repos.d/x.repo") == (
        "[a.b]\nenabled=0\nname=x\n[aXb]\nenabled=1\n[c] \nenabled=0\nname=y\n"
    )
    assert box.text("/etc/yum.repos.d/y.repo") == "[d]\nenabled=0\nname=z\n"
    said = box.fails(("disable_repository", "none"))
    assert said.startswith("error: repository none is not configured in the image\n")
    box.works(("optional", "disable_repository", "none"))


def test_disable_repository_in_an_image_without_any(box: Box) -> None:
    assert "is not configured" in box.fails(("disable_repository", "none"))


def test_gems_are_installed_from_the_pool_alone(box: Box) -> None:
    box.write(
        "/usr/bin/gem",
        '#!/bin/sh\npwd >/gem.log\nulimit -n >>/gem.log\nprintf "%s\\n" "$@" >>/gem.log\n',
        0o755,
    )
    (box.plan / "pool/gems").mkdir(parents=True)
    box.works(("gems", "100", "--no-rdoc --no-ri", "fluentd-0.12.2.gem", "it's.gem"))
    words = "install --local --no-rdoc --no-ri fluentd-0.12.2.gem it's.gem"
    assert box.text("/gem.log").split("\n") == ["/dev/buildsys/plan/pool/gems", "100", *words.split(), ""]
    box.works(("gems", "0", "", "a.gem"), ("file", "", "/after"))
    assert box.text("/gem.log").split("\n")[2:] == ["install", "--local", "a.gem", ""]


def test_more_open_files_than_the_host_grants_are_as_many_as_it_grants(box: Box) -> None:
    box.write("/usr/bin/gem", "#!/bin/sh\nulimit -n >/gem.log\n", 0o755)
    (box.plan / "pool/gems").mkdir(parents=True)
    outcome = box.feed(["ulimit -n 200", "gems 9999999999 '' a.gem"])
    assert (outcome.status, box.text("/gem.log")) == (0, "200\n")


def test_gems_that_fail_to_install_fail(box: Box) -> None:
    box.write("/usr/bin/gem", "#!/bin/sh\necho broken\nexit 3\n", 0o755)
    (box.plan / "pool/gems").mkdir(parents=True)
    assert box.fails(("gems", "0", "", "a.gem")) == "broken\n"
