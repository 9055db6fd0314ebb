"""A small world of files, packages and accounts in which the facts are carried out, one after the other."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .facts import CopiedFile, Event, Facts, ImageFacts, Step, Transaction
from .model import BuiltImage, Config, Deviation, Entry, OwnedFile, Package, memory_tree
from .paths import pattern_matches
from .payload import BEGINNING, PAYLOAD, REQUIRES, VALUES, public_key


def copied_bytes(file: CopiedFile) -> bytes:
    """What stands for the file of the facts: as many lines, none of them anybody's."""
    special = VALUES.get(file.source, "")
    return f"#!/bin/bash\n# {file.source}\n{special}exit 0\n".encode()


@dataclass
class World:
    """The state of one image while it is made."""

    facts: Facts
    entries: dict[str, Entry] = field(default_factory=dict)
    packages: dict[str, Package] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()
    passwd: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    config: Config = field(default_factory=Config)

    def child(self) -> World:
        """A world that begins where this one ends."""
        passwd = {name: list(line) for name, line in self.passwd.items()}
        groups = {name: list(line) for name, line in self.groups.items()}
        return World(
            self.facts,
            dict(self.entries),
            dict(self.packages),
            self.keys,
            passwd,
            groups,
            self.layers,
            self.config,
        )

    def carry_out(self, image: ImageFacts) -> World:
        self.layers = (*self.layers, f"sha256:{image.name}")
        self.config = replace(
            self.config,
            user=image.user,
            cmd=image.cmd,
            env={**self.config.env, **image.env},
            labels={**self.config.labels, **image.labels},
            healthcheck=("CMD-SHELL", image.healthcheck) if image.healthcheck else (),
            stop_signal=image.stop_signal or self.config.stop_signal,
        )
        if not image.parent:
            self.put("/", Entry("directory", 0o755))
            self.install("filesystem", BEGINNING)
            for name in ("root", "apache"):
                self.account(
                    name, {"root": 0, "apache": 48}[name], {"root": 0, "apache": 48}[name], "/bin/bash"
                )
        for event in image.events:
            self.happen(event)
        self.write_accounts()
        return self

    # What can happen ------------------------------------------------------------------------------

    def happen(self, event: Event) -> None:
        if isinstance(event, Transaction):
            for name in event.packages:
                for package in (name, *REQUIRES.get(name, ())):
                    if package not in self.packages:
                        self.install(package, PAYLOAD.get(package, {}))
        elif isinstance(event, CopiedFile):
            self.write(event.to, copied_bytes(event), 0o644)
        else:
            getattr(self, f"_{event.kind}", self._nothing)(event)

    def _nothing(self, _: Step) -> None:
        """An assertion, a limit, an update with nothing newer: the world stays as it is."""

    def _mkdir(self, step: Step) -> None:
        self.directory(self.real(step.text("path")))

    def _touch(self, step: Step) -> None:
        if self.real(step.text("path")) not in self.entries:
            self.write(step.text("path"), b"", 0o644)

    def _symlink(self, step: Step) -> None:
        self.put(step.text("link"), Entry("link", 0o777, target=step.text("target")))

    def _chmod(self, step: Step) -> None:
        symbolic = {"+x": 0o111, "a+rx": 0o555}
        for path in self.named(step):
            entry = self.entries[path]
            bits = step.text("mode")
            mode = entry.mode | symbolic[bits] if bits in symbolic else int(bits, 8)
            self.entries[path] = replace(entry, mode=mode)

    def _chown(self, step: Step) -> None:
        user, colon, group = step.text("owner").partition(":")
        numbers: dict[str, int] = {}
        if user:
            numbers["user"] = int(user) if user.isdigit() else int(self.passwd[user][2])
        if group:
            numbers["group"] = int(group) if group.isdigit() else int(self.groups[group][2])
        elif colon:
            numbers["group"] = int(self.passwd[user][3])
        for path in self.named(step):
            self.entries[path] = replace(self.entries[path], **numbers)  # type: ignore[arg-type]

    def _remove(self, step: Step) -> None:
        for path in self.named(step, follow=False):
            del self.entries[path]

    def _move(self, step: Step) -> None:
        self.put(step.text("dst"), self.entries.pop(self.real(step.text("src"))))

    def _copy_in_image(self, step: Step) -> None:
        to = step.text("dst")
        sources = [path for path in self.entries if pattern_matches(self.real(step.text("src")), path)]
        for source in sources:
            entry = self.entries[source]
            kept = entry if step.flag("preserve") else replace(entry, user=0, group=0)
            self.put(to + posixpath.basename(source) if to.endswith("/") else to, kept)

    def _sed(self, step: Step) -> None:
        text = self.text(step.text("file"))
        if word := step.text("comment"):
            lines = [f"#{line}" if line.startswith(word) else line for line in text.split("\n")]
            text = "\n".join(lines)
        elif prefix := step.text("interpreter"):
            text = text.replace("#!", f"#!{prefix} ", 1)
        for key, value in step.values.get("set", {}).items():
            lines = [f"{key} = '{value}'" if line.startswith(key) else line for line in text.split("\n")]
            text = "\n".join(lines)
        self.edit(step.text("file"), text.encode())

    def _append_line(self, step: Step) -> None:
        removes = " ".join(step.texts("removes_as_root"))
        line = step.text("line") or f"if [ $EUID -eq 0 ]; then rm -rf {removes} ; fi"
        self.edit(step.text("file"), f"{self.text(step.text('file'))}{line}\n".encode())

    def _append_file(self, step: Step) -> None:
        self.edit(step.text("file"), (self.text(step.text("file")) + self.text(step.text("source"))).encode())

    def _download(self, step: Step) -> None:
        self.write(step.text("dst"), step.text("url").encode(), 0o644)

    def _yum_repo_file(self, step: Step) -> None:
        options = "".join(f"{key}={value}\n" for key, value in step.values["options"].items())
        self.write(step.text("file"), f"[{step.text('repo')}]\n{options}".encode(), 0o644)

    def _rpm_import_key(self, step: Step) -> None:
        self.keys |= {public_key(step.text("key"))[1]}

    def _gem_install(self, step: Step) -> None:
        for gem in step.texts("gems"):
            name, _, version = gem.partition(":")
            full = f"{name}-{version.removeprefix('~>') or '1.0'}"
            self.write(f"/usr/share/gems/specifications/{full}.gemspec", b"", 0o644)
            self.write(f"/usr/share/gems/gems/{full}/README", b"", 0o644)

    def _django_compilemessages(self, _: Step) -> None:
        for path in [path for path in self.entries if path.endswith(".po")]:
            self.write(path.removesuffix(".po") + ".mo", b"\xde\x12\x04\x95", 0o644)

    def _create_users(self, _: Step) -> None:
        for account in self.facts.accounts.values():
            self.account(account.name, account.uid, account.gid, account.shell)

    def _usermod(self, step: Step) -> None:
        line = self.passwd[step.text("user")]
        line[5] = step.text("home") or line[5]
        for group in step.texts("groups"):
            self.groups[group][3] = ",".join(
                filter(None, [*self.groups[group][3].split(","), step.text("user")])
            )

    # Files ----------------------------------------------------------------------------------------

    def real(self, path: str) -> str:
        """The path with the links among its parents resolved."""
        for link, entry in self.entries.items():
            if entry.kind == "link" and path.startswith(link + "/"):
                return self.real(
                    posixpath.join(posixpath.dirname(link), entry.target) + path.removeprefix(link)
                )
        return posixpath.normpath(path)

    def named(self, step: Step, *, follow: bool = True) -> Iterator[str]:
        for pattern in step.texts("paths"):
            place = self.real(pattern)
            if follow and place in self.entries and self.entries[place].kind == "link":
                place = self.entries[place].target
            found = [path for path in self.entries if pattern_matches(place, path)]
            for path in found:
                below = [other for other in self.entries if other.startswith(path + "/")]
                yield from [path, *(below if step.flag("recursive") else [])]

    def put(self, path: str, entry: Entry) -> None:
        path = self.real(path)
        if path != "/":
            self.directory(posixpath.dirname(path))
        self.entries[path] = entry

    def directory(self, path: str) -> None:
        if path not in self.entries:
            self.put(path, Entry("directory", 0o755))

    def write(self, path: str, data: bytes, mode: int) -> None:
        self.put(path, Entry("file", mode, read=lambda: data))

    def edit(self, path: str, data: bytes) -> None:
        path = self.real(path)
        self.put(path, replace(self.entries.get(path, Entry("file")), read=lambda: data))

    def text(self, path: str) -> str:
        entry = self.entries.get(self.real(path))
        return entry.read().decode() if entry else ""

    # Packages and accounts ------------------------------------------------------------------------

    def install(self, name: str, files: dict[str, str | None]) -> None:
        files = {f"/usr/share/doc/{name}/README": name, **files}
        owned = []
        for path, content in files.items():
            if content is None:
                self.put(path, Entry("directory", 0o755))
            elif content.startswith("-> "):
                self.put(path, Entry("link", 0o777, target=content[3:]))
            else:
                data = public_key(path)[0] if content == "KEY" else content.encode()
                self.write(path, data, 0o644)
            entry = self.entries[self.real(path)]
            digest = hashlib.sha256(entry.read()).hexdigest() if entry.kind == "file" else ""
            owned.append(OwnedFile(path, entry.mode, "root", "root", digest))
        version = self.facts.versions.get(name, "1")
        needs = REQUIRES.get(name, ())
        self.packages[name] = Package(name, "0", version, "1", needs, (name,), tuple(owned))

    def account(self, name: str, uid: int, gid: int, shell: str) -> None:
        self.passwd[name] = [name, "x", str(uid), str(gid), "", f"/home/{name}", shell]
        self.groups[name] = [name, "x", str(gid), ""]

    def write_accounts(self) -> None:
        for path, table in (("/etc/passwd", self.passwd), ("/etc/group", self.groups)):
            self.edit(path, "".join(":".join(line) + "\n" for line in table.values()).encode())

    # The result -----------------------------------------------------------------------------------

    def image(self, name: str) -> BuiltImage:
        return BuiltImage(
            name=name,
            layers=self.layers,
            config=self.config,
            tree=memory_tree(self.entries),
            packages=self.packages,
            keys=self.keys,
            deviations=tuple(self.deviations()),
        )

    def deviations(self) -> Iterator[Deviation]:
        """What `rpm -Va` would say."""
        for package in self.packages.values():
            for file in package.files:
                entry = self.entries.get(self.real(file.path))
                if entry is None:
                    yield Deviation(file.path, "missing")
                    continue
                digest = hashlib.sha256(entry.read()).hexdigest() if entry.kind == "file" else ""
                flags = "S5T" * (digest != file.sha256) + "M" * (entry.mode != file.mode)
                flags += "U" * (entry.user != 0) + "G" * (entry.group != 0)
                if flags:
                    yield Deviation(file.path, flags)
