"""What stands in the way of publication, word by word; and that nothing was moved by it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from buildsys.publish import publication
from buildsys.publish.destination import destination, destinations
from buildsys.publish.errors import PublishError
from buildsys.publish.registry_access import login, registry_rules, way
from buildsys.publish.registry_http import origin
from buildsys.publish.task import Patience, PublishOptions
from tests.publish.conftest import NAMES, Bench, Running, free_port, only, problems, serving
from tests.publish.proxy import Answer, Proxy, failing

USER = "mia:$2b$04$kUE.g9v8keYWRiAxnuJK.OvbW7zuNriHW.8onnSmdyuR8RaM3Zfz.\n"
"""Her password is `secret`."""
STORE = (
    "does not name a container store [bad-destination]\n  hint: containers-storage:[overlay@/ROOT+/RUNROOT]"
)
TWICE = Patience(tries=2, pause=0.01)


def answering(
    pattern: str, status: int, body: str = "", **headers: str
) -> Callable[[str, Mapping[str, str]], Answer | None]:
    """An answer of the proxy's own to every request that matches."""

    def answers(request: str, _: Mapping[str, str]) -> Answer | None:
        return (status, headers, body.encode()) if re.search(pattern, request) else None

    return answers


def error(code: str, message: str) -> str:
    return json.dumps({"errors": [{"code": code, "message": message}]})


# ── before anything is sent ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("docka://host", "has no known transport [bad-destination]\n  hint: did you mean 'docker'?"),
        (
            "docker:host",
            "does not name a registry [bad-destination]\n  hint: docker://HOST[:PORT][/NAMESPACE]",
        ),
        ("docker://host/Up", ": 'Up' is not valid in a repository's name [bad-destination]"),
        ("oci:", "does not name a directory [bad-destination]"),
        ("containers-storage:name", STORE),
    ],
)
def test_what_is_no_destination(bench: Bench, text: str, said: str) -> None:
    assert bench.refusal(text) == f"error: '{text}'{'' if said.startswith(':') else ' '}{said}"


def test_two_destinations_in_one_directory(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "x").mkdir()
    assert bench.refusal(f"oci:{tmp_path}/a", f"dir:{tmp_path}/link") == (
        f"error: oci:{tmp_path}/a and dir:{tmp_path}/a are the same directory [bad-destination]\n"
        "  hint: give each a directory of its own"
    )
    assert len(destinations([f"oci:{tmp_path}/{name}" for name in ("a", "x/../a", "link", "b")])) == 2


def test_a_directory_that_another_run_publishes_to(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    descriptor = os.open(tmp_path / "out", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert problems(bench.publish(f"oci:{tmp_path}/out")) == (
        f"error: another run publishes to {tmp_path}/out: nothing was written [busy-directory]"
    )
    os.close(descriptor)
    assert list((tmp_path / "out").iterdir()) == []
    only(bench.publish(f"oci:{tmp_path}/out"))


def test_the_lock_of_the_tag_is_the_one_that_is_there_when_it_is_our_turn(
    bench: Bench, tmp_path: Path
) -> None:
    key = bench.plan / "keys/base"
    kept = key.read_text()
    lock = (bench.plan / "state/lock").open("a+")
    fcntl.flock(lock, fcntl.LOCK_EX)

    def waits(_: str) -> None:
        """Who has the turn locks the plan, and ends."""
        key.write_text(f"{kept}package a 1\n")
        lock.close()

    try:
        outcomes = publication.publish(
            bench.plan, destinations([f"oci:{tmp_path}/out"]), PublishOptions(tags=("lock",)),
            store=bench.ground.store.options, stand_ins=False, say=waits,
        )  # fmt: skip
    finally:
        key.write_text(kept)
    assert [outcome.tags for outcome in outcomes] == [10]


def test_images_that_are_not_what_the_plan_says(bench: Bench, tmp_path: Path) -> None:
    place = f"oci:{tmp_path}/out"
    kept = {name: (bench.plan / f"state/{name}.id").read_text() for name in ("apps", "two")}
    try:
        (bench.plan / "state/apps.id").write_text("0" * 64 + "\n")
        assert bench.refusal(place) == (
            "error: not built from the current plan: apps, one, two [not-current]\n"
            f"  hint: `buildsys build` them, or `make -C {bench.plan}`"
        )
    finally:
        for name, text in kept.items():
            (bench.plan / f"state/{name}.id").write_text(text)
    identity = kept["two"].strip()
    names = [name for name, found in bench.ground.store.names().items() if found.endswith(identity)]
    try:
        bench.ground.store.buildah("rmi", *names)
        assert bench.refusal(place) == (
            "error: not in the container store: two [missing-image]\n"
            "  hint: --store names another store; `buildsys build` builds what is missing"
        )
    finally:
        bench.build()
    assert not (tmp_path / "out").exists()


def test_there_is_no_plan(bench: Bench, tmp_path: Path) -> None:
    done = bench.run("publish", "--to", f"oci:{tmp_path}/out", "-o", str(tmp_path / "none"))
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {tmp_path}/none holds no plan [no-plan]\n"
        "  hint: `buildsys build` writes the plan and builds the images\n"
    )


def test_stand_ins_stay_on_this_host(bench: Bench, registry: Running) -> None:
    plan = bench.plan / "plan.json"
    kept = plan.read_text()
    plan.write_text(kept.replace('"stand_ins": false', '"stand_ins": true'))
    try:
        away = "docker://registry.example.org/us"
        assert bench.refusal(registry.destination, away) == (
            f"error: tiny is made of stand-in packages, which do nothing; do not publish it to {away} "
            "[stand-ins-leave]\n"
            "  hint: --stand-ins publishes it anyway"
        )
        assert registry.tags() == {}
        only(bench.publish(registry.destination))
    finally:
        plan.write_text(kept)


def test_tags_and_labels_that_are_none(bench: Bench, tmp_path: Path) -> None:
    place = f"oci:{tmp_path}/out"
    assert bench.refusal(place, tags=("a b",)) == (
        "error: 'a b' is not a valid tag [bad-tag]\n"
        "  hint: at most 128 letters, digits, '.', '_' and '-', and neither '.' nor '-' first"
    )
    assert bench.refusal(place, tags=("promoted",)) == (
        "error: tiny is not promoted: not all its tests and scenarios have passed with these images "
        "[not-promoted]\n"
        "  hint: `buildsys test tiny` tries them"
    )
    assert bench.refusal(f"docker-archive:{tmp_path}/out", compression="zstd") == (
        f"error: docker's format does not support zstd: docker-archive:{tmp_path}/out "
        "[bad-compression]\n"
        "  hint: zstd needs a set of `format: oci`"
    )
    done = bench.run("publish", "--to", place, "--label", "one")
    assert done.stderr == "error: 'one' is not a label [bad-label]\n  hint: NAME=VALUE\n"
    done = bench.run("publish", "--to", place, "--tag", "lock")
    assert (
        done.stderr
        == f"error: the plan in {bench.plan} is not locked, so the tag `lock` has no value [no-lock]\n"
    )
    assert not (tmp_path / "out").exists()


def test_one_publishes_at_a_time(bench: Bench, tmp_path: Path) -> None:
    with (bench.plan / "state/lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write("process 1 of mia, publishing since 12:00:00")
        lock.flush()
        running = subprocess.Popen(
            [*bench.argv("publish"), "--to", f"oci:{tmp_path}/out"], env=bench.environment(),
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert running.stderr is not None
        assert running.stderr.readline() == "plan: waiting for process 1 of mia, publishing since 12:00:00\n"
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert f"oci:{tmp_path}/out: published: 5 images" in running.communicate(timeout=60)[1]


# ── reaching a registry ─────────────────────────────────────────────────────────────────────────────────────


def test_nobody_answers(bench: Bench, insecure: Callable[[str], None]) -> None:
    host = f"127.0.0.1:{free_port()}"
    insecure(host)
    said = problems(bench.publish(f"docker://{host}", patience=TWICE))
    assert said == f"error: {host}: connection refused; tried 2 times [no-registry]"


def test_plain_http_is_only_for_who_is_declared_insecure(
    bench: Bench, registry: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", os.devnull)
    assert problems(bench.publish(registry.destination, patience=TWICE)) == (
        f"error: {registry.host}: does not speak TLS [no-registry]\n"
        "  hint: declare it `insecure = true` in registries.conf if it is meant to speak plain HTTP"
    )
    assert registry.requests() == []


def test_files_that_say_how_to_reach_it(bench: Bench, registry: Running, tmp_path: Path) -> None:
    place = registry.destination
    assert problems(bench.publish(place, authfile=tmp_path / "none")) == (
        f"error: there is no file of credentials {tmp_path}/none [no-auth-file]\n"
        "  hint: `skopeo login --authfile FILE REGISTRY` creates one"
    )
    (tmp_path / "auth.json").write_text("{")
    said = problems(bench.publish(place, authfile=tmp_path / "auth.json"))
    assert said.startswith(f"error: {tmp_path}/auth.json cannot be read as a file of credentials: ")
    assert said.endswith(" [bad-auth-file]")
    assert problems(bench.publish(place, certificates=tmp_path / "none")) == (
        f"error: there is no folder of certificates {tmp_path}/none [no-certificates]"
    )
    conf = Path(os.environ["CONTAINERS_REGISTRIES_CONF"])
    conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\nblocked = true\n')
    assert (
        problems(bench.publish(place)) == f"error: registries.conf blocks {registry.host} [registry-blocked]"
    )
    conf.write_text("[[")
    said = problems(bench.publish(place))
    assert said.startswith(f"error: {conf} cannot be read: ")
    assert said.endswith(" [bad-registries-conf]")
    assert registry.requests() == []


# ── TLS and credentials, for real ───────────────────────────────────────────────────────────────────────────


def openssl(*words: str, folder: Path) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an authority (`ca.crt`) and a certificate of its own; `trusted/` beside it trusts it."""
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", os.devnull)
    folder = tmp_path / "certs"
    folder.mkdir()
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
            "-keyout", "ca.key", "-out", "ca.crt", folder=folder)  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=registry", "-keyout", "own.key",
            "-out", "own.csr", folder=folder)  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "own.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "own.crt", folder=folder)  # fmt: skip
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted/ca.crt").write_bytes((folder / "ca.crt").read_bytes())
    return folder


@pytest.fixture
def guarded(tmp_path: Path, certified: Path) -> Iterator[Running]:
    """A registry with a certificate of an authority of its own, that wants a login."""
    (tmp_path / "htpasswd").write_text(USER)
    with serving(
        tmp_path / "registry", tls=(certified / "own.crt", certified / "own.key"),
        htpasswd=tmp_path / "htpasswd", ca=certified / "ca.crt", login="mia:secret",
    ) as running:  # fmt: skip
        yield running


def credentials(file: Path, host: str, password: str) -> Path:
    auth = base64.b64encode(f"mia:{password}".encode()).decode()
    file.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return file


@pytest.mark.real
def test_a_registry_with_tls_and_a_login(bench: Bench, guarded: Running, tmp_path: Path) -> None:
    place, host = guarded.destination, guarded.host
    trusted = tmp_path / "trusted"
    right = credentials(tmp_path / "auth.json", host, "secret")
    wrong = credentials(tmp_path / "wrong.json", host, "guess")
    said = problems(bench.publish(place, authfile=right, patience=TWICE))
    assert said == (
        f"error: {host} shows a certificate that is not trusted here: unable to get local issuer "
        "certificate [wrong-certificate]\n"
        f"  hint: put the certificate of its authority into /etc/containers/certs.d/{host}/ca.crt, "
        "or use --cert-dir"
    )
    (tmp_path / "none.json").write_text("{}")
    assert problems(bench.publish(place, certificates=trusted, authfile=tmp_path / "none.json")) == (
        f"error: {host} wants credentials, and there are none [no-access]\n"
        f"  hint: `skopeo login {host}` stores credentials; --authfile names a file of them"
    )
    assert problems(bench.publish(place, certificates=trusted, authfile=wrong)) == (
        f"error: {host} refuses the credentials of mia from {wrong}: "
        "authentication required (401) [no-access]\n"
        f"  hint: they may have expired: `skopeo login {host}`"
    )
    assert guarded.tags() == {}
    # Declared insecure, it need not prove who it is; TLS it speaks all the same.
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
    done = bench.run(
        "publish", "--to", f"{place}/mine", "--authfile", str(right), CONTAINERS_REGISTRIES_CONF=str(conf)
    )
    assert (done.returncode, done.stderr) == (0, f"{place}/mine: published: 5 images, 11 blobs, 5 tags\n")
    assert only(bench.publish(place, certificates=trusted, authfile=right)).tags == 5
    assert set(guarded.tags()) == {f"{name}:1" for name in NAMES}
    done = bench.run("verify", "--at", place, "--cert-dir", str(trusted), "--authfile", str(right))
    assert done.returncode == 0, done.stderr


@pytest.mark.real
def test_tokens_are_fetched_for_each_repository(bench: Bench, proxy: Proxy, tmp_path: Path) -> None:
    """As the large public registries do it: a token for a repository, got by the login."""
    asked = []

    def answers(request: str, headers: Mapping[str, str]) -> Answer | None:
        given = headers.get("Authorization") or ""
        if request.startswith("GET /token?"):
            if given != "Basic " + base64.b64encode(b"mia:secret").decode():
                return 401, {}, error("DENIED", "not you").encode()
            asked.append(request)
            return 200, {}, json.dumps({"token": f"t{len(asked)}", "expires_in": 300}).encode()
        if given.startswith("Bearer t"):
            return None
        realm = f'Bearer realm="http://{proxy.host}/token",service="tests"'
        return 401, {"WWW-Authenticate": realm}, error("UNAUTHORIZED", "authentication required").encode()

    proxy.answers = answers
    right = credentials(tmp_path / "auth.json", proxy.host, "secret")
    assert only(bench.publish(proxy.destination, authfile=right)).tags == 5
    assert any("scope=repository%3Atests%2Ft-one%3Apull%2Cpush" in request for request in asked)
    # One for each repository and right, and for who borrows; two threads may ask for the same one at once.
    assert len(set(asked)) <= 4 * len(NAMES)
    assert len(asked) <= 2 * len(set(asked))
    wrong = credentials(tmp_path / "wrong.json", proxy.host, "guess")
    assert problems(bench.publish(proxy.destination, authfile=wrong)) == (
        f"error: {proxy.host} refuses the credentials of mia from {wrong}: not you (401) [no-access]\n"
        f"  hint: they may have expired: `skopeo login {proxy.host}`"
    )


@pytest.mark.real
@pytest.mark.parametrize("realm", ['Basic realm="tests"', 'Bearer realm="http://HOST/token"'])
def test_credentials_never_go_out_in_plain_http(
    bench: Bench, certified: Path, tmp_path: Path, realm: str
) -> None:
    """A registry behind a proxy that speaks TLS, and that nobody told so."""
    right = tmp_path / "auth.json"

    def answers(_: str, headers: Mapping[str, str]) -> Answer | None:
        wanted = {"WWW-Authenticate": realm.replace("HOST", proxy.host)}
        return None if headers.get("Authorization") else (401, wanted, b"")

    with (
        serving(tmp_path / "registry") as registry,
        failing(registry.host, (certified / "own.crt", certified / "own.key")) as proxy,
    ):
        proxy.answers = answers
        credentials(right, proxy.host, "secret")
        outcomes = bench.publish(proxy.destination, certificates=tmp_path / "trusted", authfile=right)
        assert problems(outcomes) == (
            f"error: {proxy.host} redirects to http://{proxy.host}, which is not TLS [plain-http]\n"
            "  hint: a registry behind a TLS proxy must get `X-Forwarded-Proto: https` from it"
        )
        assert registry.tags() == {}


def test_a_host_is_the_same_however_it_is_written() -> None:
    assert origin("https://Reg.Example:443/v2/") == origin("https://reg.example/v2/x")
    assert origin("http://reg.example/v2/") != origin("https://reg.example/v2/")
    assert origin("https://reg.example:5000/v2/") != origin("https://reg.example/v2/")
    assert destination("docker://Reg.Example:443/a") == destination("docker://reg.example:443/a")


# ── what a registry refuses ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.real
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            answering("^POST /v2/tests/t-two/", 403, error("DENIED", "access is denied")),
            "tests/t-two may not be written to at HOST: access is denied (403) [no-push-right]",
        ),
        (
            answering("^POST /v2/tests/t-two/", 400, error("NAME_INVALID", "invalid repository name")),
            "HOST refuses the repository name tests/t-two: invalid repository name (400) [bad-repository]",
        ),
        (
            answering("^PUT /v2/tests/t-two/blobs", 500, error("UNKNOWN", "write: no space left on device")),
            "HOST has no space left: write: no space left on device (500) [registry-full]",
        ),
        (
            answering("^PUT /v2/tests/t-two/blobs", 413),
            "HOST refuses a blob of that size for tests/t-two: status 413 [registry-full]",
        ),
        (
            answering("^PUT /v2/tests/t-two/manifests", 400, error("MANIFEST_INVALID", "too old")),
            "HOST, tests/t-two: too old (400) to PUT /v2/tests/t-two/manifests/DIGEST [registry-refuses]",
        ),
        (
            answering("^PUT /v2/tests/t-two/blobs", 503),
            "HOST: answers 503; tried 4 times [registry-failing]",
        ),
        (
            answering("^PUT /v2/tests/t-two/blobs", 429, **{"Retry-After": "3600"}),
            "HOST: answers 429; tried once; it asks for a pause of 3600 s [registry-failing]",
        ),
    ],
    ids=["no-right", "bad-name", "no-space", "too-large", "refused", "failing", "too-many"],
)  # fmt: skip
def test_one_repository_of_many_is_refused(
    bench: Bench,
    registry: Running,
    proxy: Proxy,
    answers: Callable[[str, Mapping[str, str]], Answer | None],
    said: str,
) -> None:
    proxy.answers = answers
    outcome = bench.publish(proxy.destination)[0]
    told = re.sub("sha256:[0-9a-f]{64}", "DIGEST", problems([outcome]))
    assert told == "error: " + said.replace("HOST", proxy.host)
    assert outcome.notes == ["no tag was touched"]
    assert registry.tags() == {}
    # The others are there by their digests; the next run sends what is missing.
    proxy.answers = lambda _request, _headers: None
    proxy.reset()
    assert only(bench.publish(proxy.destination)).images == 1


@pytest.mark.real
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "HOST has no repository PLACE, and does not create it: there is none (404) [no-repository]"),
        (403, "PLACE may not be written to at HOST: there is none (403) [no-push-right]"),
    ],
)
def test_all_repositories_that_are_refused_are_named_at_once(
    bench: Bench, registry: Running, proxy: Proxy, status: int, words: str
) -> None:
    proxy.answers = answering("^POST /v2/tests/t-(base|apps|two)/", status, error("X", "there is none"))
    outcome = bench.publish(proxy.destination)[0]
    hint = "\n  hint: create it at the registry, or name another namespace" if status == 404 else ""
    assert [mistake.text() for mistake in outcome.mistakes] == [
        "error: " + words.replace("HOST", proxy.host).replace("PLACE", f"tests/t-{name}") + hint
        for name in ("base", "apps", "two")
    ]
    assert registry.tags() == {}
    proxy.answers = lambda _request, _headers: None
    only(bench.publish(proxy.destination))


@pytest.mark.real
def test_a_name_too_long_is_told_before_anything_is_sent(bench: Bench, registry: Running) -> None:
    namespace = "/".join(["long"] * 52)
    names = ", ".join(f"{namespace}/t-{name}" for name in ("base", "other", "apps", "one", "two"))
    said = problems(bench.publish(f"{registry.destination}/{namespace}"))
    assert said.startswith("error: a repository's name has at most 255 characters: ")
    assert said.endswith(" [bad-repository]\n  hint: name a shorter namespace after the registry's host")
    assert sorted(names.split(", ")) == sorted(
        said.partition("characters: ")[2].partition(" [")[0].split(", ")
    )
    assert registry.requests() == []


@pytest.mark.real
def test_one_destination_does_not_hold_up_another(
    bench: Bench, registry: Running, insecure: Callable[[str], None], tmp_path: Path
) -> None:
    dead = f"127.0.0.1:{free_port()}"
    insecure(dead)
    done = bench.run(
        "publish", "--to", f"docker://{dead}", "--to", registry.destination, "--to", f"oci:{tmp_path}/out"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[:2] == [
        f"error: {dead}: connection refused; tried 6 times [no-registry]",
        f"docker://{dead}: not published",
    ]
    assert len(registry.tags()) == 5
    assert (tmp_path / "out/index.json").exists()


@pytest.mark.real
def test_a_store_that_takes_nothing(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = f"containers-storage:[overlay@{tmp_path}/file/root+{tmp_path}/file/run]"
    said = problems(bench.publish(place))
    assert said.startswith(f"error: {place}: ")
    assert said.endswith(" [store-refuses]")


# ── files, alone ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_narrowest_credentials_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "auth.json"
    auths = {
        place: {"auth": base64.b64encode(f"{user}:p:w".encode()).decode()}
        for place, user in {"r.example": "all", "r.example/team": "team", "r.example/team/one": "one"}.items()
    }
    file.write_text(json.dumps({"auths": auths}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))
    users = {name: login("r.example", name, None) for name in ("team/one", "team/two", "else/one")}
    assert {name: found and (found.user, found.password) for name, found in users.items()} == {
        "team/one": ("one", "p:w"),
        "team/two": ("team", "p:w"),
        "else/one": ("all", "p:w"),
    }
    assert login("other.example", "team/one", None) is None


def test_registries_conf_in_both_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "registries.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(file))
    file.write_text(
        '[registries.insecure]\nregistries = ["192.0.2.1:8787"]\n'
        '[registries.block]\nregistries = ["bad.example"]\n'
    )
    rules = registry_rules()
    assert way("192.0.2.1:8787", "a/b", rules).insecure
    assert not way("192.0.2.1", "a/b", rules).insecure
    with pytest.raises(PublishError):
        way("bad.example", "a/b", rules)
    file.write_text(
        '[[registry]]\nprefix = "r.example/a"\nlocation = "in.example:5000/x"\ninsecure = true\n'
        '[[registry]]\nprefix = "*.wild.example"\ninsecure = true\n[[registry]]\nlocation = "r.example"\n'
    )
    rules = registry_rules()
    found = way("r.example", "a/b", rules)
    assert (found.host, found.repository, found.insecure) == ("in.example:5000", "x/b", True)
    found = way("r.example", "ab", rules)
    assert (found.host, found.repository, found.insecure) == ("r.example", "ab", False)
    assert way("one.wild.example", "a", rules).insecure


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("docker://localhost:5000/a", True),
        ("docker://127.1.2.3", True),
        ("docker://[::1]:5000", True),
        ("docker://127.0.0.1.example.org", False),
        ("docker://192.0.2.1:8787", False),
        ("oci:/srv/x", True),
    ],
)
def test_what_is_on_this_host(text: str, here: bool) -> None:  # noqa: FBT001 - what is expected
    assert destination(text).is_here is here
