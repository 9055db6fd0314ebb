"""Credentials leave URLs, are found where people keep them, and are shown to nobody; so in the shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.logins import VARIABLE, Login, login_for, masked, offer, parted
from buildsys.plan.compile import RUNTIME

NETRC = """\
# machine host login no password no
machine other login x password y
macdef init
machine host login macro password macro

machine host
  login "mi a" account z
  password "q\\"uo\\\\te $x"
machine host login late password late
machine Upper login up password er
default login any password body
"""


@pytest.mark.parametrize(
    ("url", "bare", "login"),
    [
        ("https://host/a", "https://host/a", None),
        ("https://mia:secret@host/a", "https://host/a", Login("host", "mia", "secret")),
        ("https://mia:s%40c@Host:8443/a@b", "https://Host:8443/a@b", Login("host:8443", "mia", "s%40c")),
        ("https://mia:s@c@host/a", "https://host/a", Login("host", "mia", "s@c")),
        ("https://mia:s[e<c]>@host/a", "https://host/a", Login("host", "mia", "s[e<c]>")),
        ("ftp://token@host/", "ftp://host/", Login("host", "token", "")),
        ("https://host/a?user=x:y@z", "https://host/a?user=x:y@z", None),
        ("file:///srv/a:b@c", "file:///srv/a:b@c", None),
    ],
)
def test_a_url_is_parted_from_its_credentials(url: str, bare: str, login: Login | None) -> None:
    assert parted(url) == (bare, login)


def test_a_login_does_not_show_its_password() -> None:
    assert "secret" not in repr(parted("https://mia:secret@host/"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("is https://mia:secret@host/x in reach?", "is https://host/x in reach?"),
        ("'docker://mia:p@ss@reg/x'; http://a:b@c", "'docker://reg/x'; http://c"),
        ("git+ssh://git@host/x", "git+ssh://git@host/x"),
        ("ssh://mia:secret@host/x", "ssh://host/x"),
        ("'https://mia:s[e<c@host/x'", "'https://host/x'"),
        ("'mia:s3:cr@et@reg.example/x:1' is none", "'reg.example/x:1' is none"),
        ("b.yaml:3:4: error: 'a' of x@y/z", "b.yaml:3:4: error: 'a' of x@y/z"),
        ("'mia:s3cret@reg.example:5000/x:1' is none", "'reg.example:5000/x:1' is none"),
        ("docker.io/library/centos:7@sha256:12/x", "docker.io/library/centos:7@sha256:12/x"),
        ("a/b:1@sha256:12 x:y z@w/v", "a/b:1@sha256:12 x:y z@w/v"),
        ("https://host/@scope/x", "https://host/@scope/x"),
        ("http://[USER:PASSWORD@]HOST:PORT", "http://[USER:PASSWORD@]HOST:PORT"),
        ("nothing", "nothing"),
    ],
)
def test_what_is_shown_has_no_password(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_diagnostic_shows_none_and_its_caret_stays(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("url: https://mia:secret@host/x, kee: y\n")
    mistake = Diagnostic(
        Spot(str(file), 1, 33), Code.BAD_URL, "http://mia:secret@h/", "https://mia:secret@h/"
    )
    text = mistake.text()
    assert "secret" not in text
    assert "secret" not in str(mistake.data())
    line, caret = text.splitlines()[1:3]
    assert line[caret.index("^") :] == "kee: y"


def of_shell(url: str, environment: dict[str, str]) -> tuple[str, str] | None:
    """What the runtime finds."""
    script = '. "$1"; find_login "$2" || exit 9; printf "%s\\0" "$LOGIN_USER" "$LOGIN_PASSWORD"'
    argv = ["bash", "-euo", "pipefail", "-c", script, "bash", str(RUNTIME / "logins.sh"), url]
    done = subprocess.run(
        argv, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, check=False
    )
    assert done.returncode in (0, 9), done.stderr
    if done.returncode:
        return None
    user, password, _ = done.stdout.decode().split("\0")
    return user, password


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://host/a", ("mi a", 'q"uo\\te $x')),
        ("http://HOST:80/a", ("mi a", 'q"uo\\te $x')),
        ("https://upper/", ("up", "er")),
        ("https://unknown/", ("any", "body")),
        ("https://offered/", ("tö m", "a:b%\\$'\"")),
        ("https://bare/", ("token", "")),
    ],
)
@pytest.mark.parametrize("by_name", [True, False])
def test_where_credentials_are_found(
    url: str, found: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_name: bool
) -> None:
    netrc = tmp_path / ("other" if by_name else ".netrc")
    netrc.write_text(NETRC)
    places = {"HOME": str(tmp_path), **({"NETRC": str(netrc)} if by_name else {})}
    offer([Login("offered", "t%C3%B6%20m", "a%3Ab%25%5C%24'%22"), Login("bare", "token", "")], places)
    for name in ("HOME", "NETRC", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    assert login_for(url) == found
    assert of_shell(url, places) == found


def test_nobody_knows_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NETRC", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert login_for("https://host/") is None
    assert of_shell("https://host/", {"HOME": str(tmp_path)}) is None
    assert of_shell("https://host/", {}) is None
    (tmp_path / ".netrc").write_text("machine other login x password y\n")
    assert login_for("https://host/") is None
    assert of_shell("https://host/", {"HOME": str(tmp_path)}) is None
