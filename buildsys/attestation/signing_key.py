"""Sigstore keys on the curve P-256, as cosign, skopeo and podman write and read them.

A private key is PEM over JSON: the parameters of scrypt, which makes a key of the passphrase, and a NaCl
secret box that holds PKCS #8. A public key is PEM over SubjectPublicKeyInfo. The format is cosign's:
https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

LABELS = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
PASSPHRASE = "COSIGN_PASSWORD"  # noqa: S105 - a name
"""The variable with the passphrase, cosign's own."""
MEMORY = 256 << 20
"""Bytes that scrypt may take; cosign's parameters take 64 MiB."""


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are checked with."""

    key: EllipticCurvePublicKey

    @cached_property
    def der(self) -> bytes:
        """SubjectPublicKeyInfo."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key, in hex."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def hint(self) -> str:
        """The key's name in sigstore bundles."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    def accepts(self, signature: bytes, data: bytes) -> bool:
        """Whether a signature over `data` is of this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            self.key.verify(signature, data, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A private key, opened."""

    key: EllipticCurvePrivateKey

    @cached_property
    def public(self) -> PublicKey:
        """The other half."""
        return PublicKey(self.key.public_key())

    def sign(self, data: bytes) -> bytes:
        """An ECDSA signature over SHA-256 of the data: equal data give equal bytes (RFC 6979)."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        return self.key.sign(data, ECDSA(SHA256(), deterministic_signing=True))


def signing_key(path: Path, passphrase: bytes) -> SigningKey:
    """Open a private key.

    Raises:
        Refused: it cannot be read, or is not such a key (`bad-signing-key`); the passphrase does not open it
            (`wrong-passphrase`); the libraries are not installed (`no-signing`).
    """
    check_libraries()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    label, body = _unarmoured(path)
    if label not in LABELS:
        hint = "`cosign generate-key-pair` and `skopeo generate-sigstore-key` write such keys"
        raise _bad(path, f"holds {_named(label)}, not a sigstore private key", hint)
    try:
        sealed = _Sealed.of(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad(path, "is a damaged sigstore private key") from error
    try:
        opener = sealed.opener(passphrase)
        plain = SecretBox(opener).decrypt(sealed.ciphertext, sealed.nonce)
    except CryptoError as error:
        hint = f"the passphrase comes from --sign-passphrase-file, or else from the variable {PASSPHRASE}"
        message = f"the passphrase does not open the key {path}"
        raise Refused([Diagnostic(NOWHERE, Code.WRONG_PASSPHRASE, message, hint)]) from error
    except (ValueError, MemoryError) as error:
        raise _bad(path, "is a damaged sigstore private key") from error
    key = load_der_private_key(plain, None)
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise _bad(path, "is not on the curve P-256, which is what cosign's keys are on")
    found = SigningKey(key)
    try:
        found.sign(b"")
    except (UnsupportedAlgorithm, TypeError) as error:
        message = "the libraries here cannot sign deterministically: cryptography 43 and OpenSSL 3.2 can"
        raise Refused([Diagnostic(NOWHERE, Code.NO_SIGNING, message)]) from error
    return found


def public_key(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        Refused: it cannot be read, or is not such a key (`bad-signing-key`); the libraries are not installed
            (`no-signing`).
    """
    check_libraries()
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    label, body = _unarmoured(path)
    if label != "PUBLIC KEY":
        raise _bad(path, f"holds {_named(label)}, not a public key", "cosign writes it to `cosign.pub`")
    try:
        key = load_der_public_key(body)
    except ValueError as error:
        raise _bad(path, "is a damaged public key") from error
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise _bad(path, "is not on the curve P-256, which is what cosign's keys are on")
    return PublicKey(key)


def check_libraries() -> None:
    """Raises Refused (`no-signing`) where the libraries for signatures are not installed."""
    try:
        import cryptography
        import nacl
    except ImportError as error:
        message = f"signatures need the Python library {error.name}, which is not installed"
        hint = "`pip install buildsys[signing]`; Debian: python3-cryptography, python3-nacl"
        raise Refused([Diagnostic(NOWHERE, Code.NO_SIGNING, message, hint)]) from error
    del cryptography, nacl


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A private key as it lies in its file."""

    work: int
    block: int
    lanes: int
    salt: bytes
    nonce: bytes
    ciphertext: bytes

    @staticmethod
    def of(data: Mapping[str, Any]) -> _Sealed:
        kdf, cipher = data["kdf"], data["cipher"]
        if (kdf["name"], cipher["name"]) != ("scrypt", "nacl/secretbox"):
            raise ValueError(kdf["name"])
        params = kdf["params"]
        binary = [base64.b64decode(text) for text in (kdf["salt"], cipher["nonce"], data["ciphertext"])]
        return _Sealed(int(params["N"]), int(params["r"]), int(params["p"]), *binary)

    def opener(self, passphrase: bytes) -> bytes:
        """The key of the box; ValueError: parameters that no tool writes."""
        return hashlib.scrypt(
            passphrase,
            salt=self.salt,
            n=self.work,
            r=self.block,
            p=self.lanes,
            maxmem=MEMORY,
            dklen=32,
        )


def _unarmoured(path: Path) -> tuple[str, bytes]:
    """Label and content of a PEM file; an empty label: it is none."""
    try:
        lines = path.read_text("utf-8", errors="replace").split("\n")
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror}") from error
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) < 3 or not lines[0].startswith("-----BEGIN ") or not lines[-1].startswith("-----END "):
        return "", b""
    label = lines[0].removeprefix("-----BEGIN ").removesuffix("-----")
    try:
        return label, base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error:
        return "", b""


def _named(label: str) -> str:
    return f"'{label}'" if label else "no PEM"


def _bad(path: Path, what: str, hint: str = "") -> Refused:
    return Refused([Diagnostic(NOWHERE, Code.BAD_SIGNING_KEY, f"{path} {what}", hint)])
