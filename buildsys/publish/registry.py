"""What a registry can be asked for: the few calls of the OCI distribution specification that we need."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from buildsys.diagnostics import Code
from buildsys.publish.errors import Problem, Transient
from buildsys.publish.host import Host, said, wrong_login
from buildsys.publish.http import Answer
from buildsys.publish.manifest import MANIFEST_TYPES, Blob, Manifest


@dataclass(slots=True)
class Registry:
    """A registry and what is known to be in it. Each call is tried again while what fails is transient."""

    host: Host
    rights: str = "pull,push"
    """What tokens are asked for: a repository that does not exist yet is none to who may only pull."""
    uploaded: list[str] = field(default_factory=list)
    """Digests of blobs that went there, in this run."""
    _holders: dict[str, str] = field(default_factory=dict)
    """Digest -> a repository that has the blob."""
    _moving: set[str] = field(default_factory=set)
    _change: threading.Condition = field(default_factory=threading.Condition)

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest of the manifest that a tag or a digest leads to; None when there is none."""
        answer = self._head(repository, f"manifests/{reference}")
        if answer.status == 404:
            return None
        if answer.status == 200 and "docker-content-digest" in answer.headers:
            return answer.headers["docker-content-digest"]
        # A refusal of HEAD has no body, and some registries refuse HEAD alone: GET answers or says why.
        try:
            return self.manifest(repository, reference)[0]
        except LookupError:
            return None

    def manifest(self, repository: str, reference: str) -> tuple[str, Manifest]:
        """A manifest, by tag or digest, and the digest of what was read.

        Raises:
            LookupError: there is none.
        """
        answer = self.host.again(
            lambda: self._ask("GET", repository, f"manifests/{reference}", headers=_ACCEPT)
        )
        if answer.status == 404:
            raise LookupError(reference)
        self._expect(answer, 200, repository, "read")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip()
        return "sha256:" + hashlib.sha256(answer.body).hexdigest(), Manifest(kind, answer.body)

    def put(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Store a manifest under its digest or a tag."""

        def work() -> Answer:
            headers = {"Content-Type": manifest.type}
            return self._ask(
                "PUT", repository, f"manifests/{reference}", headers=headers, body=manifest.bytes
            )

        answer = self.host.again(work)
        if answer.status in (400, 403, 405, 409) and not reference.startswith("sha256:"):
            message = (
                f"{self.host.name} does not let the tag {repository}:{reference} be moved: {said(answer)}"
            )
            raise Problem(Code.TAG_PROTECTED, message)
        self._expect(answer, 201, repository, "written to")

    def has(self, repository: str, digest: str) -> bool:
        """Whether a repository has a blob."""
        answer = self._head(repository, f"blobs/{digest}")
        if answer.status != 404:
            self._expect(answer, 200, repository, "read")
        return answer.status == 200

    def may_be_written(self, repository: str) -> None:
        """Begin an upload, and give it up.

        Raises:
            Problem: the registry refuses it.
        """

        def work() -> None:
            begun = self._ask("POST", repository, "blobs/uploads/")
            self._expect(begun, 202, repository, "written to")
            self._ask("DELETE", repository, self.host.location(begun))

        self.host.again(work)

    def _head(self, repository: str, path: str) -> Answer:
        return self.host.again(lambda: self._ask("HEAD", repository, path, headers=_ACCEPT))

    def holds(self, repository: str, blobs: list[Blob]) -> None:
        """Take note of blobs that a repository is known to have."""
        with self._change:
            for blob in blobs:
                self._holders.setdefault(blob.digest, repository)

    def place(self, repository: str, blob: Blob, content: Content) -> None:
        """See to it that a repository has a blob: found there, lent from another one, or uploaded.

        Two images that need one blob never upload it both: the second waits for the first.
        """
        with self._change:
            while blob.digest in self._moving:
                self._change.wait()
            holder = self._holders.get(blob.digest)
            if holder == repository:
                return
            self._moving.add(blob.digest)
        try:
            # A registry that refuses the question may still take the blob.
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
                return  # what broke off was only the answer
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
                raise Transient("has forgotten an upload that was under way")
            self._expect(ended, 201, repository, "written to")
            with self._change:
                self.uploaded.append(blob.digest)

        self.host.again(work)

    def _mounted(self, repository: str, blob: Blob, lender: str, *, insist: bool) -> Answer | None:
        """What a registry answers to who borrows a blob from another repository; None: it does not lend.

        Borrowing only saves an upload, so no refusal of it is an error: neither by the registry nor by who
        gives tokens. `insist`: a failure that may pass is raised, to be tried once more.
        """
        query = f"?mount={blob.digest}&from={lender}"
        try:
            begun = self._ask("POST", repository, f"blobs/uploads/{query}", source=lender)
        except Problem:
            return None
        except Transient:
            if insist:
                raise
            return None
        return begun if begun.status in (201, 202) else None

    def check(self, repository: str, blob: Blob) -> str:
        """Read a blob whole; what is wrong with it, or nothing."""

        def work() -> str:
            found, size = hashlib.sha256(), 0
            try:
                for piece in self.host.pieces(
                    f"/v2/{repository}/blobs/{blob.digest}", scopes=_scopes(repository, self.rights)
                ):
                    found.update(piece)
                    size += len(piece)
            except LookupError:
                return f"{blob.digest} is not there"
            if f"sha256:{found.hexdigest()}" != blob.digest:
                return f"{blob.digest} is sha256:{found.hexdigest()}, {size} bytes"
            return ""

        return self.host.again(work)

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
        """Raises a Problem unless that is what was answered."""
        if answer.status == status:
            return
        host = self.host.name
        if answer.status == 401:
            login = self.host.reach.login(repository)
            if login is None or b"denied" not in answer.body.lower():
                raise wrong_login(host, login, answer)
        if answer.status in (401, 403):
            message = f"{repository} may not be {doing} at {host}: {said(answer)}"
            if doing == "read":
                raise Problem(Code.NO_ACCESS, message)
            raise Problem(Code.NO_PUSH_RIGHT, message)
        if answer.status == 413:
            raise Problem(
                Code.REGISTRY_FULL, f"{host} takes nothing that large for {repository}: {said(answer)}"
            )
        if answer.status == 404 and doing == "written to":
            message = f"{host} has no repository {repository}, and makes none: {said(answer)}"
            raise Problem(Code.NO_REPOSITORY, message, "make it at the registry, or name another namespace")
        if b"NAME_INVALID" in answer.body:
            raise Problem(
                Code.BAD_REPOSITORY, f"{host} takes no repository named {repository}: {said(answer)}"
            )
        asked = f" to {answer.request}" if answer.request else ""
        raise Problem(Code.REGISTRY_REFUSES, f"{host}, {repository}: {said(answer)}{asked}")


Content = Callable[[], bytes | Path]
"""What a blob holds, to be had when it is wanted: bytes, or the file that has them."""

_ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}


def _scopes(repository: str, rights: str) -> tuple[str, ...]:
    return (f"repository:{repository}:{rights}",)
