"""Blobs, manifests and tags of a registry: the calls of the OCI distribution specification that we need."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from buildsys.diagnostics import Code
from buildsys.publish.errors import PublishError, Transient
from buildsys.publish.manifest import MANIFEST_TYPES, OCI_INDEX, Blob, Manifest
from buildsys.publish.registry_access import wrong_login
from buildsys.publish.registry_http import Answer, Host


@dataclass(slots=True)
class Registry:
    """A registry and the blobs known to be in it. Each call is repeated while its failure is transient."""

    host: Host
    rights: str = "pull,push"
    """Rights to ask tokens for: without push, a repository that does not exist yet cannot be asked about."""
    uploaded: list[str] = field(default_factory=list)
    """Digests of blobs uploaded in this run."""
    _holders: dict[str, str] = field(default_factory=dict)
    """Digest of a blob -> a repository that has it."""
    _moving: set[str] = field(default_factory=set)
    _change: threading.Condition = field(default_factory=threading.Condition)

    def digest(self, repository: str, reference: str) -> str | None:
        """Digest of the manifest under a tag or digest; None if there is none."""
        answer = self._head(repository, f"manifests/{reference}")
        if answer.status == 404:
            return None
        if answer.status == 200 and "docker-content-digest" in answer.headers:
            return answer.headers["docker-content-digest"]
        # A refused HEAD has no body, and some registries refuse only HEAD: GET answers or gives the reason.
        try:
            return self.manifest(repository, reference)[0]
        except LookupError:
            return None

    def manifest(self, repository: str, reference: str) -> tuple[str, Manifest]:
        """A manifest, by tag or digest, with the digest of the bytes read.

        Raises:
            LookupError: there is none.
        """
        answer = self.host.reach.again(
            lambda: self._ask("GET", repository, f"manifests/{reference}", headers=_ACCEPT)
        )
        if answer.status == 404:
            raise LookupError(reference)
        self._expect(answer, 200, repository, "read")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip()
        return "sha256:" + hashlib.sha256(answer.body).hexdigest(), Manifest(kind, answer.body)

    def put(self, repository: str, reference: str, manifest: Manifest) -> Mapping[str, str]:
        """Store a manifest under its digest or a tag; the headers of the answer, in lower case."""

        def work() -> Answer:
            headers = {"Content-Type": manifest.type}
            return self._ask(
                "PUT", repository, f"manifests/{reference}", headers=headers, body=manifest.bytes
            )

        answer = self.host.reach.again(work)
        if answer.status in (400, 403, 405, 409) and not reference.startswith("sha256:"):
            message = f"{self.host.name} refuses to move the tag {repository}:{reference}: {answer.reason}"
            raise PublishError(Code.TAG_PROTECTED, message)
        self._expect(answer, 201, repository, "written to")
        return answer.headers

    def referrers(self, repository: str, digest: str) -> Manifest | None:
        """The index of the artifacts of an image; None: the registry lists none itself."""
        answer = self.host.reach.again(
            lambda: self._ask("GET", repository, f"referrers/{digest}", headers={"Accept": OCI_INDEX})
        )
        kind = answer.headers.get("content-type", "").partition(";")[0].strip()
        return Manifest(OCI_INDEX, answer.body) if (answer.status, kind) == (200, OCI_INDEX) else None

    def content(self, repository: str, digest: str) -> bytes:
        """A small blob.

        Raises:
            LookupError: there is none.
            PublishError: the registry cannot be read.
        """
        path, scopes = f"/v2/{repository}/blobs/{digest}", _scopes(repository, self.rights)
        return self.host.reach.again(lambda: b"".join(self.host.pieces(path, scopes=scopes)))

    def has(self, repository: str, digest: str) -> bool:
        """Whether a repository has a blob."""
        answer = self._head(repository, f"blobs/{digest}")
        if answer.status != 404:
            self._expect(answer, 200, repository, "read")
        return answer.status == 200

    def may_be_written(self, repository: str) -> None:
        """Check the right to write: begin an upload and cancel it.

        Raises:
            PublishError: the registry refuses it.
        """

        def work() -> None:
            begun = self._ask("POST", repository, "blobs/uploads/")
            self._expect(begun, 202, repository, "written to")
            self._ask("DELETE", repository, self.host.location(begun))

        self.host.reach.again(work)

    def _head(self, repository: str, path: str) -> Answer:
        return self.host.reach.again(lambda: self._ask("HEAD", repository, path, headers=_ACCEPT))

    def holds(self, repository: str, blobs: list[Blob]) -> None:
        """Record blobs that a repository is known to have."""
        with self._change:
            for blob in blobs:
                self._holders.setdefault(blob.digest, repository)

    def place(self, repository: str, blob: Blob, content: Content) -> None:
        """Ensure that a repository has a blob: found there, mounted from another repository, or uploaded.

        A blob that another thread is uploading is waited for, and then mounted.
        """
        with self._change:
            while blob.digest in self._moving:
                self._change.wait()
            holder = self._holders.get(blob.digest)
            if holder == repository:
                return
            self._moving.add(blob.digest)
        try:
            # A registry that refuses HEAD may still accept the blob.
            there = holder is None and self._head(repository, f"blobs/{blob.digest}").status == 200
            if not there:
                self._upload(repository, blob, content, holder)
            with self._change:
                self._holders.setdefault(blob.digest, repository)
        finally:
            with self._change:
                self._moving.discard(blob.digest)
                self._change.notify_all()

    def _upload(self, repository: str, blob: Blob, content: Content, holder: str | None) -> None:
        tried, lender = False, holder

        def work() -> None:
            nonlocal tried, lender
            if tried and self._ask("HEAD", repository, f"blobs/{blob.digest}").status == 200:
                return  # only the answer was lost
            again, tried = tried, True
            begun = None
            if lender:
                begun = self._mounted(repository, blob, lender, insist=not again)
                if begun is None:
                    lender = None
            if begun is None:
                begun = self._ask("POST", repository, "blobs/uploads/")
            if begun.status == 201:
                return
            self._expect(begun, 202, repository, "written to")
            where = self.host.location(begun)
            where += f"{'&' if '?' in where else '?'}digest={blob.digest}"
            headers = {"Content-Type": "application/octet-stream"}
            ended = self._ask("PUT", repository, where, headers=headers, body=content())
            if ended.status == 404:
                raise Transient("lost an upload in progress")
            self._expect(ended, 201, repository, "written to")
            with self._change:
                self.uploaded.append(blob.digest)

        self.host.reach.again(work)

    def _mounted(self, repository: str, blob: Blob, lender: str, *, insist: bool) -> Answer | None:
        """The answer to a mount of a blob from the repository `lender`; None if it is refused.

        A mount only saves an upload, so its refusal, by the registry or its token server, is not an error.
        `insist`: raise a transient failure, so that the mount is tried once more.
        """
        query = f"?mount={blob.digest}&from={lender}"
        try:
            begun = self._ask("POST", repository, f"blobs/uploads/{query}", source=lender)
        except PublishError:
            return None
        except Transient:
            if insist:
                raise
            return None
        return begun if begun.status in (201, 202) else None

    def check(self, repository: str, blob: Blob) -> str:
        """Read a complete blob; the damage as a sentence, or an empty string."""

        def work() -> str:
            found, size = hashlib.sha256(), 0
            try:
                for piece in self.host.pieces(
                    f"/v2/{repository}/blobs/{blob.digest}", scopes=_scopes(repository, self.rights)
                ):
                    found.update(piece)
                    size += len(piece)
            except LookupError:
                return f"{blob.digest} is missing"
            if f"sha256:{found.hexdigest()}" != blob.digest:
                return f"{blob.digest} is sha256:{found.hexdigest()}, {size} bytes"
            return ""

        return self.host.reach.again(work)

    def _ask(
        self,
        method: str,
        repository: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Path | None = None,
        source: str | None = None,
    ) -> Answer:
        scopes = _scopes(repository, self.rights) + (
            _scopes(source, "pull") if source and source != repository else ()
        )
        where = path if "://" in path or path.startswith("/") else f"/v2/{repository}/{path}"
        answer = self.host.ask(method, where, scopes=scopes, headers=headers, body=body)
        return replace(answer, request=f"{method} {urlsplit(where).path}")

    def _expect(self, answer: Answer, status: int, repository: str, doing: str) -> None:
        """Raises a PublishError unless the answer has this status."""
        if answer.status == status:
            return
        host = self.host.name
        if answer.status == 401:
            login = self.host.reach.login(repository)
            if login is None or b"denied" not in answer.body.lower():
                raise wrong_login(host, login, answer.reason)
        if answer.status in (401, 403):
            message = f"{repository} may not be {doing} at {host}: {answer.reason}"
            if doing == "read":
                raise PublishError(Code.NO_ACCESS, message)
            raise PublishError(Code.NO_PUSH_RIGHT, message)
        if answer.status == 413:
            raise PublishError(
                Code.REGISTRY_FULL, f"{host} refuses a blob of that size for {repository}: {answer.reason}"
            )
        if answer.status == 404 and doing == "written to":
            message = f"{host} has no repository {repository}, and does not create it: {answer.reason}"
            raise PublishError(
                Code.NO_REPOSITORY, message, "create it at the registry, or name another namespace"
            )
        if b"NAME_INVALID" in answer.body:
            raise PublishError(
                Code.BAD_REPOSITORY, f"{host} refuses the repository name {repository}: {answer.reason}"
            )
        asked = f" to {answer.request}" if answer.request else ""
        raise PublishError(Code.REGISTRY_REFUSES, f"{host}, {repository}: {answer.reason}{asked}")


Content = Callable[[], bytes | Path]
"""Returns the content of a blob when it is needed: bytes, or a file."""

_ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}


def _scopes(repository: str, rights: str) -> tuple[str, ...]:
    return (f"repository:{repository}:{rights}",)
