"""Signatures: those of gpg, byte for byte, and keys that cannot sign."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from buildsys.standins.openpgp import read_secret_key
from buildsys.standins.tools import StandinError
from tests.rpms import STAND_INS, stand_in_key
from tests.sites.packages import run

SECRET = STAND_INS / "keys/stand-in.secret.asc"
WHEN = 1504051200


def gpg(home: Path, *words: str | Path) -> str:
    home.mkdir(mode=0o700, exist_ok=True)
    return run("gpg", "--homedir", home, "--batch", "--quiet", *words)


@pytest.mark.parametrize("content", [b"", b"some header\0of bytes\xff" * 300])
def test_a_signature_is_the_one_that_gpg_makes(tmp_path: Path, content: bytes) -> None:
    home = tmp_path / "home"
    gpg(home, "--import", SECRET)
    (tmp_path / "content").write_bytes(content)
    moment = f"{WHEN}!"
    signing = ("--digest-algo", "sha256", "--output", tmp_path / "signature", "--detach-sign")
    gpg(home, "--faked-system-time", moment, *signing, tmp_path / "content")
    run("gpgconf", "--homedir", home, "--kill", "gpg-agent")
    assert stand_in_key().sign(content, WHEN) == (tmp_path / "signature").read_bytes()


def test_a_signature_says_when_it_was_made() -> None:
    key = stand_in_key()
    assert key.sign(b"", WHEN) == key.sign(b"", WHEN)
    assert key.sign(b"", WHEN) != key.sign(b"", WHEN + 1)


def test_a_key_is_shown_without_its_numbers() -> None:
    key = stand_in_key()
    assert str(key.exponent) not in repr(key)


def damaged() -> str:
    """The published key with one bit of its secret part changed."""
    head, body = SECRET.read_text().split("\n\n", 1)
    content = bytearray(base64.b64decode(body.rpartition("\n=")[0]))
    content[500] ^= 1
    return f"{head}\n\n{base64.b64encode(content).decode()}\n-----END PGP PRIVATE KEY BLOCK-----\n"


@pytest.mark.parametrize(
    ("armored", "told"),
    [
        ("", "it contains no OpenPGP secret key"),
        ("no key\n", "it contains no OpenPGP secret key"),
        ((STAND_INS / "keys/RPM-GPG-KEY-stand-in").read_text(), "it contains no OpenPGP secret key"),
        (SECRET.read_text()[:600], "it contains no OpenPGP secret key"),
        (damaged(), "the secret key is damaged"),
    ],
)
def test_what_is_no_key_is_refused(armored: str, told: str) -> None:
    with pytest.raises(StandinError, match=f"^{told}$"):
        read_secret_key(armored)


@pytest.mark.parametrize(
    ("passphrase", "algorithm", "told"),
    [
        ("open sesame", "rsa2048", "the secret key has a passphrase"),
        ("", "ed25519", "the secret key is not an RSA key of version 4"),
    ],
)
def test_keys_that_cannot_sign_here(tmp_path: Path, passphrase: str, algorithm: str, told: str) -> None:
    home = tmp_path / "home"
    words = ("--pinentry-mode", "loopback", "--passphrase", passphrase)
    gpg(home, *words, "--quick-generate-key", "somebody", algorithm, "sign", "never")
    armored = gpg(home, *words, "--armor", "--export-secret-keys")
    run("gpgconf", "--homedir", home, "--kill", "gpg-agent")
    with pytest.raises(StandinError, match=f"^{told}$"):
        read_secret_key(armored)
