"""Sigstore keys for tests, sealed as cosign seals them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.secret import SecretBox


def write_key(folder: Path, secret: bytes) -> tuple[Path, Path]:
    """A new pair; its files."""
    key = ec.generate_private_key(ec.SECP256R1())
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    salt, nonce = os.urandom(32), os.urandom(24)
    opener = hashlib.scrypt(secret, salt=salt, n=32768, r=8, p=1, maxmem=1 << 28, dklen=32)

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    sealed = {
        "kdf": {"name": "scrypt", "params": {"N": 32768, "r": 8, "p": 1}, "salt": text(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": text(nonce)},
        "ciphertext": text(SecretBox(opener).encrypt(plain, nonce).ciphertext),
    }
    body = text(json.dumps(sealed).encode())
    label = "ENCRYPTED SIGSTORE PRIVATE KEY"
    private, public = folder / "cosign.key", folder / "cosign.pub"
    private.write_text(f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public
