"""Signatures and attestations: made here, checked by the tools of others, moved with the set."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from buildsys.attestation.signing_key import SigningKey, public_key, signing_key
from buildsys.diagnostics import Refused
from buildsys.publish.attachments import Signing
from buildsys.publish.manifest import OCI_INDEX
from buildsys.sbom.bill_of_materials import documents
from tests.publish.conftest import NAMES, Bench, Running, only
from tests.publish.keys import write_key
from tests.publish.proxy import FAULTS, Answer, Proxy

SECRET = b"a passphrase of these tests"
COSIGN = os.environ.get("COSIGN") or shutil.which("cosign")


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A sigstore key of the form that cosign writes, and its public half."""
    return write_key(tmp_path_factory.mktemp("keys"), SECRET)


@pytest.fixture
def key(pair: tuple[Path, Path]) -> SigningKey:
    return signing_key(pair[0], SECRET)


def signing(key: SigningKey, identity: str = "") -> Signing:
    return Signing(
        key=key, bills=lambda plan, names, ids: documents(plan, names, "spdx", ids), identity=identity
    )


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_equal_data_have_equal_signatures(key: SigningKey, pair: tuple[Path, Path]) -> None:
    signature = key.sign(b"data")
    assert signature == signing_key(pair[0], SECRET).sign(b"data")
    assert public_key(pair[1]).accepts(signature, b"data")
    assert not public_key(pair[1]).accepts(signature, b"other")


def test_what_is_no_key_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    def said(path: Path, secret: bytes = SECRET) -> str:
        with pytest.raises(Refused) as refused:
            signing_key(path, secret)
        return refused.value.text().replace(str(path), "FILE")

    assert said(pair[0], b"wrong") == (
        "error: the passphrase does not open the key FILE [wrong-passphrase]\n"
        "  hint: the passphrase comes from --sign-passphrase-file, "
        "or else from the variable COSIGN_PASSWORD"
    )
    assert said(pair[1]).startswith(
        "error: FILE holds 'PUBLIC KEY', not a sigstore private key [bad-signing-key]"
    )
    assert said(tmp_path / "none") == (
        "error: FILE cannot be read: No such file or directory [bad-signing-key]"
    )
    label, *lines = pair[0].read_text().splitlines()
    data = json.loads(base64.b64decode("".join(lines[:-1])))
    data["kdf"]["params"]["N"] = 1 << 40
    cut = tmp_path / "cut.key"
    cut.write_text("\n".join([label, base64.b64encode(json.dumps(data).encode()).decode(), lines[-1]]))
    assert said(cut) == "error: FILE is a damaged sigstore private key [bad-signing-key]"


def test_libraries_that_are_missing_are_named(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nacl", None)
    with pytest.raises(Refused) as refused:
        public_key(pair[1])
    assert refused.value.text() == (
        "error: signatures need the Python library nacl, which is not installed [no-signing]\n"
        "  hint: `pip install buildsys[signing]`; Debian: python3-cryptography, python3-nacl"
    )


# ── registries ──────────────────────────────────────────────────────────────────────────────────────────────


def cosign(*words: str) -> subprocess.CompletedProcess[str]:
    if COSIGN is None:
        pytest.skip("cosign 3 is not here")
    common = ("--insecure-ignore-tlog=true", "--allow-http-registry")
    return subprocess.run(
        [COSIGN, words[0], *common, *words[1:]], capture_output=True, text=True, check=False
    )


def attached_tags(registry: Running, name: str = "base") -> set[str]:
    _, _, body = registry.ask(f"/v2/tests/t-{name}/tags/list")
    return {tag for tag in json.loads(body)["tags"] if tag.startswith("sha256-")}


@pytest.mark.real
def test_signatures_are_there_and_stay(
    bench: Bench, registry: Running, key: SigningKey, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    where, verifying = registry.destination, ("--key", str(pair[1]))
    only(bench.publish(where))
    done = bench.run("verify", "--at", where, *verifying)
    assert done.returncode == 1
    assert f"base\ttests/t-base\t{registry.host}/tests/t-base:1 is not signed with this key" in done.stdout
    first = only(bench.publish(where, signing=signing(key)))
    assert (first.images, first.tags, first.signed) == (0, 0, len(NAMES))
    done = bench.run("verify", "--at", where, *verifying, "--require", "provenance,sbom")
    assert (done.returncode, done.stdout) == (0, "")
    assert "as they were published, and signed" in done.stderr
    # Nothing is sent a second time, not even after the journal is lost.
    count = len(registry.requests())
    second = only(bench.publish(where, signing=signing(key)))
    assert (second.signed, second.blobs) == (0, 0)
    assert {line.split()[0] for line in registry.requests()[count:]} <= {"GET", "HEAD"}
    shutil.rmtree(bench.plan / "state/publish")
    bench.publish(where)
    third = only(bench.publish(where, signing=signing(key)))
    assert third.blobs == 0
    # A further tag is signed too, and the old signatures stay.
    only(bench.publish(where, signing=signing(key), tags=("2",)))
    assert bench.run("verify", "--at", where, *verifying).returncode == 0
    assert len(attached_tags(registry)) == 2
    other = write_key(tmp_path, SECRET)[1]
    done = bench.run("verify", "--at", where, "--key", str(other), "--require", "sbom")
    assert "base\ttests/t-base\thas no sbom signed with this key" in done.stdout


@pytest.mark.real
def test_cosign_checks_both(
    bench: Bench, registry: Running, key: SigningKey, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    only(bench.publish(registry.destination, signing=signing(key)))
    image = f"{registry.host}/tests/t-two:1"
    other = write_key(tmp_path, SECRET)[1]
    for form in ("--new-bundle-format=true", "--new-bundle-format=false"):
        done = cosign("verify", form, "--key", str(pair[1]), image)
        assert done.returncode == 0, done.stderr
        assert cosign("verify", form, "--key", str(other), image).returncode != 0
    done = cosign("verify-attestation", "--type", "slsaprovenance1", "--key", str(pair[1]), image)
    assert done.returncode == 0, done.stderr
    payload = json.loads(base64.b64decode(json.loads(done.stdout.splitlines()[0])["payload"]))
    assert cosign("verify-attestation", "--type", "spdxjson", "--key", str(pair[1]), image).returncode == 0
    names = [item["name"] for item in payload["predicate"]["buildDefinition"]["resolvedDependencies"]]
    assert names[0] == "plan"
    assert "image apps" in names


@pytest.mark.real
def test_a_registry_with_referrers_gets_no_fallback_tag(
    bench: Bench, registry: Running, proxy: Proxy, key: SigningKey, pair: tuple[Path, Path]
) -> None:
    """The proxy lists artifacts itself, as registries of OCI 1.1 do."""
    lists: dict[str, list[dict[str, object]]] = {}

    def lists_referrers(request: str, _headers: object) -> Answer | None:
        method, path = request.split()
        if method == "GET" and "/referrers/" in path:
            rows = lists.get(path.rpartition("/")[2], [])
            body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": rows}).encode()
            return 200, {"Content-Type": OCI_INDEX}, body
        return None

    def notes_subjects(path: str, body: bytes) -> dict[str, str]:
        data = json.loads(body)
        subject = data.get("subject")
        if not subject:
            return {}
        row = {"mediaType": data["mediaType"], "digest": path.rpartition("/")[2], "size": len(body)}
        lists.setdefault(subject["digest"], []).append({**row, "artifactType": data["artifactType"]})
        return {"OCI-Subject": subject["digest"]}

    proxy.answers, proxy.notes = lists_referrers, notes_subjects
    only(bench.publish(proxy.destination, signing=signing(key)))
    assert len(lists) == len(NAMES)
    assert {tag.endswith(".sig") for tag in attached_tags(registry)} == {True}
    done = bench.run("verify", "--at", proxy.destination, "--key", str(pair[1]), "--require", "provenance")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.real
def test_a_fault_at_any_request_leaves_tags_and_signatures_whole(
    bench: Bench, proxy: Proxy, key: SigningKey, pair: tuple[Path, Path]
) -> None:
    def publish(space: str) -> None:
        chosen = ("base", "other")
        where = f"{proxy.destination}/{space}"
        only(bench.publish(where, signing=signing(key), uploads=1, only=chosen))

    publish("whole")
    total = proxy.count
    assert total > 30
    for number in range(1, total + 1, 9):
        space = f"n{number}"
        fault = FAULTS[number % len(FAULTS)]
        proxy.reset(lambda count, _, number=number, fault=fault: fault if count == number else None)  # type: ignore[misc]
        publish(space)
        done = bench.run("verify", "--at", f"{proxy.destination}/{space}", "--key", str(pair[1]))
        assert (done.returncode, done.stdout) == (0, ""), (number, fault)


@pytest.mark.real
def test_no_tag_moves_before_its_image_is_signed(bench: Bench, proxy: Proxy, key: SigningKey) -> None:
    only(bench.publish(proxy.destination, signing=signing(key)))
    order = [line.split()[1] for line in proxy.requests if line.startswith("PUT") and "/manifests/" in line]
    tags = [number for number, path in enumerate(order) if path.endswith("/1")]
    signatures = [number for number, path in enumerate(order) if path.endswith(".sig")]
    assert len(tags) == len(signatures) == len(NAMES)
    assert max(signatures) < min(tags)


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.real
@pytest.mark.parametrize("kind", ["oci", "dir"])
def test_files_hold_signatures(
    bench: Bench, key: SigningKey, pair: tuple[Path, Path], tmp_path: Path, kind: str
) -> None:
    where = f"{kind}:{tmp_path}/there"
    first = only(bench.publish(where, signing=signing(key, "registry.example.org/house")))
    assert first.signed == len(NAMES)
    asked = ("--at", where, "--key", str(pair[1]), "--require", "provenance")
    done = bench.run("verify", *asked, "--sign-identity", "registry.example.org/house")
    assert (done.returncode, done.stdout) == (0, "")
    assert "tests/t-base:1 is not signed with this key" in bench.run("verify", *asked).stdout
    second = only(bench.publish(where, signing=signing(key, "registry.example.org/house")))
    assert (second.signed, second.blobs, second.tags) == (0, 0, 0)


@pytest.mark.real
def test_archives_hold_none_and_say_so(
    bench: Bench, key: SigningKey, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    where = f"docker-archive:{tmp_path}/there"
    outcome = only(bench.publish(where, signing=signing(key)))
    assert "cannot hold signatures: registries, `oci:` and `dir:` can" in outcome.notes
    done = bench.run("verify", "--at", where, "--key", str(pair[1]))
    assert f"error: {where} cannot hold signatures [not-signed-there]" in done.stderr
