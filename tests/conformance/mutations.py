"""Every fact broken, one at a time, in a copy of what was read from an image. The report must name the fact.

What to break is taken from the facts and from the image alone, not from the checks. A fact that a later one
overtook cannot be broken in the end state; the test that uses this names those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from . import paths
from .alter import content, line, put, text, write
from .facts import Account, CopiedFile, Fact, ImageFacts
from .model import BuiltImage, Deviation, Entry, Package
from .undo import undone

Broken = tuple[Fact, str, BuiltImage]
"""The fact that is broken, how, and the image with it."""


def broken(image: BuiltImage, facts: ImageFacts, accounts: Mapping[str, Account]) -> Iterator[Broken]:
    """Each fact of `facts` broken in `image`, which is the image of those facts or a descendant."""
    for name in facts.packages:
        fact = Fact(facts.name, "package", name)
        left = {key: value for key, value in image.packages.items() if key != name}
        yield fact, "not installed", replace(image, packages=left)
    if image.name == facts.name:
        if facts.parent:
            more = {**image.packages, "stray": Package("stray", "0", "1", "1")}
            yield Fact(facts.name, "package", "others"), "one more", replace(image, packages=more)
        for name in facts.dropped_packages:
            more = {**image.packages, name: Package(name, "0", "1", "1")}
            yield Fact(facts.name, "dropped", name), "installed", replace(image, packages=more)
        for path in facts.dropped_files:
            place = paths.canonical(image.tree, path)
            yield Fact(facts.name, "dropped", path), "there", put(image, place, Entry("file"))
    for file in facts.files:
        for how, path, entry in _file(image, file):
            yield file.fact, how, put(image, path, entry)
    for step in facts.steps:
        for how, mutant in undone(image, step):
            yield step.fact, how, mutant
    if not facts.parent:
        for account in accounts.values():
            for how, mutant in _account(image, account):
                yield Fact(facts.name, "account", account.name), how, mutant


def broken_configuration(image: BuiltImage, parent: BuiltImage | None, facts: ImageFacts) -> Iterator[Broken]:
    """Each fact about configuration, parent and `rpm -V` broken."""
    config, name = image.config, facts.name

    def fact(topic: str, subject: str) -> Fact:
        return Fact(name, topic, subject)

    def configured(**changes: object) -> BuiltImage:
        return replace(image, config=replace(config, **changes))  # type: ignore[arg-type]

    yield fact("user", facts.user), "another user", configured(user="nobody")
    yield fact("cmd", " ".join(facts.cmd)), "another command", configured(cmd=("kolla_stop",))
    yield fact("cmd", " ".join(facts.cmd)), "no command", configured(cmd=())
    yield fact("entrypoint", "none"), "an entry point", configured(entrypoint=("dumb-init", "--"))
    yield fact("volumes", "none"), "a volume", configured(volumes=("/var/lib/x",))
    yield fact("healthcheck", facts.healthcheck or "none"), "another", configured(healthcheck=("CMD", "true"))
    if facts.healthcheck:
        yield fact("healthcheck", facts.healthcheck), "none", configured(healthcheck=())
    yield fact("stop signal", "SIGTERM"), "another signal", configured(stop_signal="SIGKILL")
    for topic, said, have in (("env", facts.env, config.env), ("label", facts.labels, config.labels)):
        key = "env" if topic == "env" else "labels"
        for word in said:
            yield fact(topic, word), "another value", configured(**{key: {**have, word: "x"}})
            yield fact(topic, word), "gone", configured(**{key: {k: v for k, v in have.items() if k != word}})
        if facts.parent:
            yield fact(topic, "inherited"), "one more", configured(**{key: {**have, "HTTP_PROXY": "x"}})
    origin = fact("parent", facts.parent or "none")
    yield origin, "no layers", replace(image, layers=())
    if parent:
        yield origin, "a foreign layer", replace(image, layers=("sha256:foreign", *image.layers[1:]))
        yield origin, "nothing on top", replace(image, layers=parent.layers)
    changed = Deviation("/usr/share/doc/nobody/changed", "S5T")
    yield fact("rpm -V", ""), "a changed file", replace(image, deviations=(*image.deviations, changed))
    gone = Deviation("/usr/share/doc/nobody/gone", "missing")
    yield fact("rpm -V", ""), "a missing file", replace(image, deviations=(*image.deviations, gone))
    yield fact("rpm -V", ""), "a complaint", replace(image, complaints=("Unsatisfied dependencies for x",))
    yield fact("rpm -V", ""), "no packages", replace(image, packages={}, deviations=())


def _file(image: BuiltImage, file: CopiedFile) -> Iterator[tuple[str, str, Entry | None]]:
    path = paths.canonical(image.tree, file.to)
    entry = image.tree.entry(path) or Entry("file")
    yield "gone", path, None
    yield "a link", path, replace(entry, kind="link", target="/dev/null")
    yield "other bytes", path, content(entry, b"#" + entry.read())
    yield "another owner", path, replace(entry, user=entry.user + 1)


def _account(image: BuiltImage, account: Account) -> Iterator[tuple[str, BuiltImage]]:
    passwd, start = text(image, "/etc/passwd"), f"{account.name}:"
    for how, uid, gid, shell in (
        ("another uid", account.uid + 1, account.gid, account.shell),
        ("another gid", account.uid, account.gid + 1, account.shell),
        ("another shell", account.uid, account.gid, "/bin/sh"),
    ):
        yield how, line(image, "/etc/passwd", start, f"{start}x:{uid}:{gid}:::{shell}")
    yield "another name", write(image, "/etc/passwd", passwd.replace(f"\n{start}", f"\nno-{start}"))
    yield "no group", line(image, "/etc/group", start, "")
    yield "another group", line(image, "/etc/group", start, f"{start}x:{account.gid + 1}:")
