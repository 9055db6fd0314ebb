"""Simple signatures of images: the form that cosign, podman and skopeo all check.

A signature says that an image of this digest has this name. podman and skopeo compare the name as well, tag
included, so that an old image under a new tag is refused. The format:
https://github.com/containers/image/blob/main/docs/containers-signature.5.md
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from buildsys.attestation.signing_key import PublicKey, SigningKey

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
"""Where a manifest of signatures has the signature of a payload, in base64."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A payload and its signature."""

    payload: bytes
    text: str
    """The signature in base64."""


def sign(reference: str, digest: str, key: SigningKey) -> Signature:
    """Sign that the manifest with this digest is `reference`, `HOST/REPOSITORY:TAG`."""
    data = {
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": {"creator": "buildsys"},
    }
    payload = json.dumps(data, separators=(",", ":")).encode()
    return Signature(payload, base64.b64encode(key.sign(payload)).decode())


def signed_name(signature: Signature, digest: str, key: PublicKey) -> str | None:
    """The name that `key` signed for the manifest with this digest; None: it is not such a signature."""
    try:
        binary = base64.b64decode(signature.text, validate=True)
        if not key.accepts(binary, signature.payload):
            return None
        critical = json.loads(signature.payload)["critical"]
        if critical["image"]["docker-manifest-digest"] != digest:
            return None
        return str(critical["identity"]["docker-reference"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
