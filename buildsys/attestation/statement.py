"""in-toto statements in DSSE envelopes, within sigstore bundles: what cosign 3 reads as an attestation.

Formats: https://github.com/in-toto/attestation (Statement v1), https://github.com/secure-systems-lab/dsse,
https://github.com/sigstore/protobuf-specs (bundle 0.3).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from buildsys.attestation.signing_key import PublicKey, SigningKey

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATES = {
    "provenance": ("https://slsa.dev/provenance/v1",),
    "sbom": ("https://spdx.dev/Document", "https://spdx.dev/Document/v2.3", "https://cyclonedx.org/bom"),
}
"""The types of predicates that a word of `verify --require` accepts."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement about one image."""

    name: str
    """`HOST/REPOSITORY` of the image."""
    digest: str
    """Of its manifest."""
    predicate_type: str
    predicate: Mapping[str, Any]


def bundle(statement: Statement, key: SigningKey) -> bytes:
    """A statement, signed, in a bundle. Equal statements and keys give equal bytes."""
    algorithm, _, value = statement.digest.partition(":")
    data = {
        "_type": STATEMENT,
        "subject": [{"name": statement.name, "digest": {algorithm: value}}],
        "predicateType": statement.predicate_type,
        "predicate": statement.predicate,
    }
    payload = json.dumps(data, separators=(",", ":")).encode()
    signature = key.sign(encoding(PAYLOAD_TYPE, payload))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }
    whole = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key.public.hint}},
        "dsseEnvelope": envelope,
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def opened(content: bytes, digest: str, key: PublicKey) -> Statement | None:
    """The statement of a bundle about the manifest with this digest; None: `key` signed no such thing."""
    try:
        envelope = json.loads(content)["dsseEnvelope"]
        if envelope["payloadType"] != PAYLOAD_TYPE:
            return None
        payload = base64.b64decode(envelope["payload"], validate=True)
        signed = encoding(envelope["payloadType"], payload)
        signatures = [base64.b64decode(item["sig"], validate=True) for item in envelope["signatures"]]
        if not any(key.accepts(signature, signed) for signature in signatures):
            return None
        data = json.loads(payload)
        algorithm, _, value = digest.partition(":")
        for subject in data["subject"]:
            if subject["digest"].get(algorithm) == value:
                return Statement(
                    str(subject.get("name", "")), digest, str(data["predicateType"]), data["predicate"]
                )
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def encoding(kind: str, payload: bytes) -> bytes:
    """DSSE's encoding before authentication: type and payload, each after its length in bytes."""
    word = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(word), word, len(payload), payload)
