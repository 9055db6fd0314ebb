"""Attach signatures, attestations and the plan to images at a registry, before their tags are moved."""

from __future__ import annotations

from buildsys.publish.attachments import (
    Attachment,
    Attachments,
    referrers_tag,
    referring,
    signatures_tag,
    signed,
)
from buildsys.publish.manifest import Manifest
from buildsys.publish.registry_api import Content, Registry


def attach(registry: Registry, place: str, image: Manifest, attached: Attachments) -> None:
    """Attach to the image in the repository `place`. What others attached stays there.

    Raises:
        PublishError: the registry refuses it.
    """
    unlisted = []
    for item in attached.artifacts(image):
        _bring(registry, place, item)
        if not registry.put(place, item.manifest.digest, item.manifest).get("oci-subject"):
            unlisted.append(item)
    if unlisted:
        tag = referrers_tag(image.digest)
        index = referring(unlisted, _there(registry, place, tag))
        if index is not None:
            registry.put(place, tag, index)
    tag = signatures_tag(image.digest)
    signatures = signed(attached.signatures(), _there(registry, place, tag))
    if signatures is not None:
        _bring(registry, place, signatures)
        registry.put(place, tag, signatures.manifest)


def _bring(registry: Registry, place: str, attachment: Attachment) -> None:
    for blob, content in attachment.contents.items():
        registry.place(place, blob, _returning(content))


def _returning(content: bytes) -> Content:
    return lambda: content


def _there(registry: Registry, place: str, reference: str) -> Manifest | None:
    try:
        return registry.manifest(place, reference)[1]
    except LookupError:
        return None
