"""What is true in the end, where one step, copy or package goes over another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .facts import Account, CopiedFile, Event, Fact, Facts, ImageFacts, Transaction, step
from .finding import Finding
from .model import BuiltImage, Config, Deviation, Entry, OwnedFile, Package, memory_tree
from .packages import check as check_packages
from .reference import References, of
from .replay import Replay
from .scene import Scene
from .state import check as check_state

PASSWD = b"root:x:0:0:::\nnova:x:42436:42436:::\n"
START: Mapping[str, Entry] = {
    "/": Entry("directory", 0o755),
    "/etc": Entry("directory", 0o755),
    "/etc/passwd": Entry("file", read=lambda: PASSWD),
    "/etc/group": Entry("file", read=lambda: b"root:x:0:\nnova:x:42436:\n"),
}
FILE = CopiedFile("base", 5, "docker/x", "/x", 2, "", Fact("base", "file", "/x"))


def do(number: int, kind: str, **values: Any) -> Event:
    return step("base", number, kind, values, seq=number)


def scene(
    *events: Event,
    files: Mapping[str, Entry],
    packages: Mapping[str, Package] = {},
    parent: Scene | None = None,
) -> Scene:
    name = "child" if parent else "base"
    facts = ImageFacts(name, "base" if parent else "", "root", (), "", {}, {}, "", events)
    images = {**(parent.facts.images if parent else {}), name: facts}
    accounts = {"nova": Account("nova", 42436, 42436, "", "", (), ())}
    tree = memory_tree({**START, **files})
    have = {**(parent.built.packages if parent else {}), **packages}
    return Scene(Facts(images, accounts, {}), BuiltImage(name, (), Config(), tree, have, frozenset()), parent)


def wrong(seen: Scene) -> list[str]:
    references = References({"docker/x": of(b"x\n")})
    return [text(finding) for finding in check_state(Replay(seen), references) if finding.verdict == "failed"]


def text(finding: Finding) -> str:
    return f"{finding.fact.subject}: expected {finding.expected}, found {finding.found}"


def package(
    name: str, path: str, *, user: str = "root", mode: int = 0o755, requires: tuple[str, ...] = ()
) -> Package:
    files = (OwnedFile(path, mode, user, user, ""),)
    return Package(name, "0", "1", "1", requires, (name,), files)


def copied(mode: int) -> Mapping[str, Entry]:
    return {"/x": Entry("file", mode, read=lambda: b"x\n")}


def test_a_copy_forgets_the_mode_that_was_set_before() -> None:
    chmod = do(1, "chmod", mode="755", paths=["/x"])
    assert wrong(scene(chmod, FILE, files=copied(0o644))) == []


def test_a_mode_set_after_a_copy_holds() -> None:
    chmod = do(9, "chmod", mode="755", paths=["/x"])
    assert wrong(scene(FILE, chmod, files=copied(0o755))) == []
    found = wrong(scene(FILE, chmod, files=copied(0o644)))
    assert found == ["9 chmod 755 /x: expected /x: mode 0755, found mode 0644"]


def test_of_two_modes_the_later_holds_and_what_both_say_too() -> None:
    first, second = do(1, "chmod", mode="440", paths=["/x"]), do(2, "chmod", mode="a+rx", paths=["/x"])
    assert wrong(scene(first, second, files=copied(0o555))) == []
    found = wrong(scene(first, second, files=copied(0o557)))
    assert found == ["1 chmod 440 /x: expected /x: mode 0440 in the bits 7662, found mode 0557"]


def test_three_digits_leave_the_set_id_bits_of_a_directory() -> None:
    chmod = do(1, "chmod", mode="755", paths=["/d"])
    assert wrong(scene(chmod, files={"/d": Entry("directory", 0o2755)})) == []
    assert wrong(scene(chmod, files={"/d": Entry("file", 0o4755)})) != []


def test_a_mode_set_through_a_link_is_that_of_its_target() -> None:
    chmod = do(1, "chmod", mode="755", paths=["/l"])
    files = {"/l": Entry("link", 0o777, target="/t"), "/t": Entry("file", 0o644)}
    assert wrong(scene(chmod, files=files)) == ["1 chmod 755 /l: expected /t: mode 0755, found mode 0644"]


def test_what_a_step_removed_may_come_back_by_a_later_one() -> None:
    remove, touch = do(1, "remove", paths=["/x"]), do(2, "touch", path="/x")
    assert wrong(scene(remove, touch, files=copied(0o644))) == []
    assert wrong(scene(touch, do(3, "remove", paths=["/x"]), files=copied(0o644))) == [
        "3 remove /x: expected /x: nothing, found a regular file"
    ]


def test_a_pattern_that_names_nothing_fails_unless_it_removes() -> None:
    files = {"/d": Entry("directory")}
    assert wrong(scene(do(1, "remove", paths=["/d/*"]), files=files)) == []
    assert wrong(scene(do(1, "chown", owner="nova:", paths=["/d/*"]), files=files)) == [
        "1 chown nova: /d/*: expected /d/*, found nothing of that name"
    ]


def test_a_recursive_owner_reaches_what_was_there_and_not_what_came_later() -> None:
    chown = do(2, "chown", owner="nova:", paths=["/d"], recursive=True)
    nova = {"user": 42436, "group": 42436}
    files = {
        "/d": Entry("directory", **nova),  # type: ignore[arg-type]
        "/d/before": Entry("directory"),
        "/d/later": Entry("directory"),
        "/d/unknown": Entry("file"),
    }
    events = (do(1, "mkdir", path="/d/before"), chown, do(3, "mkdir", path="/d/later"))
    assert wrong(scene(*events, files=files)) == [
        "2 chown nova: /d recursive: expected /d/before: user 42436, found user 0",
        "2 chown nova: /d recursive: expected /d/before: group 42436, found group 0",
    ]


def test_a_recursive_owner_reaches_all_that_the_parent_had() -> None:
    base = scene(files={"/d": Entry("directory"), "/d/old": Entry("file")})
    chown = step("child", 1, "chown", {"owner": "nova", "paths": ["/d"], "recursive": True})
    files = {"/d": Entry("directory", user=42436), "/d/old": Entry("file"), "/d/new": Entry("file")}
    assert wrong(scene(chown, files=files, parent=base)) == [
        "1 chown nova /d recursive: expected /d/old: user 42436, found user 0"
    ]


def test_a_package_comes_with_the_first_transaction_that_leads_to_it() -> None:
    base = scene(files={"/d": Entry("directory")})
    chown = step("child", 1, "chown", {"owner": "nova", "paths": ["/d"], "recursive": True}, seq=2)
    events = (Transaction("child", 1, ("one",)), chown, Transaction("child", 3, ("two",)))
    packages = {
        "one": package("one", "/d/one", requires=("needed",)),
        "needed": package("needed", "/d/needed"),
        "two": package("two", "/d/two", requires=("one", "more")),
        "more": package("more", "/d/more"),
    }
    files = {path: Entry("directory") for path in ("/d/one", "/d/needed", "/d/two", "/d/more")}
    seen = scene(
        *events, files={"/d": Entry("directory", user=42436), **files}, packages=packages, parent=base
    )
    assert {line.split("expected ")[1].split(":")[0] for line in wrong(seen)} == {"/d/one", "/d/needed"}


def test_a_package_gives_a_directory_its_mode_but_leaves_its_user() -> None:
    base = scene(files={})
    events = (
        step("child", 1, "mkdir", {"path": "/d"}, seq=1),
        step("child", 2, "chmod", {"mode": "700", "paths": ["/d"]}, seq=1),
        step("child", 3, "chown", {"owner": "nova:", "paths": ["/d"]}, seq=1),
        Transaction("child", 2, ("one",)),
    )
    packages = {"one": package("one", "/d", mode=0o750)}
    seen = scene(*events, files={"/d": Entry("directory", 0o750)}, packages=packages, parent=base)
    assert wrong(seen) == ["3 chown nova: /d: expected /d: user 42436, found user 0"]


def unexplained(seen: Scene, *deviations: Deviation) -> list[str]:
    built = seen.built
    image = BuiltImage(built.name, (), built.config, built.tree, built.packages, frozenset(), deviations)
    findings = check_packages(Replay(Scene(seen.facts, image, seen.parent)))
    failed = [
        finding for finding in findings if finding.verdict == "failed" and finding.fact.topic == "rpm -V"
    ]
    return [f"{finding.expected} | {finding.found}" for finding in failed]


def test_a_deviation_is_explained_by_the_steps_that_make_it_and_no_further() -> None:
    events = (
        do(1, "chmod", mode="600", paths=["/x"]),
        do(2, "sed", file="/y", comment="Listen 80"),
        do(3, "remove", paths=["/z"], recursive=True),
    )
    files = {"/x": Entry("file", 0o600), "/y": Entry("file", read=lambda: b"#Listen 80\n")}
    seen = scene(*events, files=files, packages={"one": package("one", "/x")})
    explained = (Deviation("/x", "M"), Deviation("/y", "S5T"), Deviation("/z/below", "missing"))
    assert unexplained(seen, *explained) == []
    assert unexplained(seen, Deviation("/x", "M5"), Deviation("/y", "missing")) == [
        "/x: M | M5",
        "/y: S5T | missing",
    ]
    assert unexplained(seen, Deviation("/etc/other.conf", "5")) == [
        "/etc/other.conf: as its package made it | 5"
    ]
