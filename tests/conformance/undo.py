"""Each of the 460 steps undone, one at a time, in every way that could go unnoticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from . import paths
from .alter import content, line, put, text, write
from .facts import Step
from .model import AlteredTree, BuiltImage, Entry
from .others import key_ids

Mutant = tuple[str, BuiltImage]
"""How it was broken, and the image with it."""


def undone(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    """The image without the effect of one step."""
    yield from _STEPS[step.kind](image, step)


def _present(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    path = paths.canonical(image.tree, step.text("path"), follow=True)
    yield "gone", put(image, path, None)
    yield "a link to nowhere", put(image, path, Entry("link", target="/nowhere"))


def _mode(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    bits = (0o1, 0o100) if step.text("mode").startswith(("+", "a")) else (0o1, 0o2, 0o400)
    for path, entry in _named(image, step):
        for bit in bits:
            yield f"mode bit {bit:o} of {path}", put(image, path, replace(entry, mode=entry.mode ^ bit))


def _owner(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    user, colon, _ = step.text("owner").partition(":")
    for path, entry in _named(image, step):
        if user:
            yield f"user of {path}", put(image, path, replace(entry, user=entry.user + 1))
        if colon:
            yield f"group of {path}", put(image, path, replace(entry, group=entry.group + 1))


def _link(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    path = paths.canonical(image.tree, step.text("link"))
    yield "gone", put(image, path, None)
    yield "another target", put(image, path, Entry("link", 0o777, target=step.text("target") + "x"))
    yield "a file", put(image, path, Entry("file"))


def _removal(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    for pattern in step.texts("paths"):
        # `?[^_]*.py*` becomes `aa.py`: a name it matches.
        name = pattern.replace("?", "a").replace("[^_]", "a").replace("*", "")
        name = name + "left" if name.endswith("/") else name
        yield f"{name} is back", put(image, paths.canonical(image.tree, name), Entry("file"))


def _moved(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    yield "not moved away", put(image, paths.canonical(image.tree, step.text("src")), Entry("file"))
    yield from _made(image, step)


def _made(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    to = step.text("dst") or step.text("file")
    if to.endswith("/"):
        base = step.text("src").rpartition("/")[2]
        to += next(
            name
            for name in image.tree.names(paths.canonical(image.tree, to, follow=True))
            if paths.pattern_matches(base, name)
        )
    path = paths.canonical(image.tree, to)
    entry = image.tree.entry(path) or Entry("file")
    yield "gone", put(image, path, None)
    yield "empty", put(image, path, content(entry, b""))


def _line_edit(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    file = step.text("file")
    have = text(image, file)
    yield "file gone", put(image, paths.canonical(image.tree, file, follow=True), None)
    yield "file empty", write(image, file, "")
    if word := step.text("comment"):
        yield "line active", write(image, file, have.replace(f"#{word}", word))
        yield "active once more", write(image, file, f"{have}\n{word}\n")
    elif prefix := step.text("interpreter"):
        yield "not prefixed", write(image, file, have.replace(f"#!{prefix} ", "#!", 1))
    for key in step.values.get("set", {}):
        yield "another value", line(image, file, key, f"{key} = /elsewhere")
        yield "a second value", write(image, file, f"{have}\n{key} = /elsewhere\n")


def _appended(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    file = step.text("file")
    yield "file empty", write(image, file, "")
    for word in filter(None, (step.text("line"), *step.texts("removes_as_root"))):
        before, _, after = text(image, file).rpartition(word)
        yield f"without {word}", write(image, file, before + after)


def _joined(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    yield "file empty", write(image, step.text("file"), "")
    yield "first byte gone", write(image, step.text("file"), _changed(text(image, step.text("file"))))


def _changed(have: str) -> str:
    """The text with a letter in each line changed."""
    return "\n".join(f"x{part[1:]}" for part in have.split("\n"))


def _repository(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    file = step.text("file")
    yield from _made(image, step)
    for key in step.values["options"]:
        yield f"another {key}", line(image, file, key, f"{key}=other")
    yield "one more option", write(image, file, f"{text(image, file)}\nproxy=http://x\n")


def _usermod(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    user, home = step.text("user"), step.text("home")
    if home:
        have = text(image, "/etc/passwd").split("\n")
        new = [part.replace(home, "/elsewhere") if part.startswith(f"{user}:") else part for part in have]
        yield "another home", write(image, "/etc/passwd", "\n".join(new))
    for group in step.texts("groups"):
        yield f"not in {group}", line(image, "/etc/group", f"{group}:", f"{group}:x:60000:nobody")


def _users(image: BuiltImage, _: Step) -> Iterator[Mutant]:
    yield "one account less", line(image, "/etc/passwd", "zun:", "")
    home = paths.canonical(image.tree, "/home/zun")
    yield "a home directory", put(image, home, Entry("directory", 0o700))


def _key(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    data = paths.read(image.tree, step.text("key")) or b""
    yield "not imported", replace(image, keys=image.keys - key_ids(data))
    yield "no key file", put(image, paths.canonical(image.tree, step.text("key"), follow=True), None)


def _gems(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    everything = list(paths.walk(image.tree, "/"))
    for gem in step.texts("gems"):
        name = gem.partition(":")[0]
        for folder in ("gems", "specifications"):
            found = [path for path in everything if f"/{folder}/{name}-" in path]
            tree = AlteredTree(image.tree, dict.fromkeys(found))
            yield f"{name} not in {folder}", replace(image, tree=tree)


def _messages(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    for root in paths.glob(image.tree, step.text("locales")):
        for path in paths.walk(image.tree, paths.canonical(image.tree, root, follow=True)):
            if path.endswith(".mo"):
                yield f"{path} gone", put(image, path, None)


def _release(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    file = step.text("file")
    other = text(image, file).replace(f"release {step.text('major')}", "release 8")
    yield "another release", write(image, file, other)


def _disabled(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    data = f"[{step.text('repo')}]\nname=x\nenabled=1\n".encode()
    yield "enabled", put(image, "/etc/yum.repos.d/left.repo", content(Entry("file"), data))


def _plugins(image: BuiltImage, step: Step) -> Iterator[Mutant]:
    folder = put(image, step.text("dir"), Entry("directory", 0o755))
    yield "a plugin", put(folder, f"{step.text('dir')}/one", Entry("file"))


def _update(image: BuiltImage, _: Step) -> Iterator[Mutant]:
    old = replace(image.packages["sudo"], version="0")
    yield "an old package", replace(image, packages={**image.packages, "sudo": old})


def _nothing(_image: BuiltImage, _step: Step) -> Iterator[Mutant]:
    """A limit leaves nothing that could be broken."""
    yield from ()


_STEPS: Mapping[str, Callable[[BuiltImage, Step], Iterator[Mutant]]] = {
    "append_file": _joined,
    "append_line": _appended,
    "assert_os_release": _release,
    "chmod": _mode,
    "chown": _owner,
    "copy_in_image": _made,
    "create_users": _users,
    "django_compilemessages": _messages,
    "download": _made,
    "gem_install": _gems,
    "mkdir": _present,
    "move": _moved,
    "pip_install_if_present": _plugins,
    "remove": _removal,
    "rpm_import_key": _key,
    "sed": _line_edit,
    "symlink": _link,
    "touch": _present,
    "ulimit": _nothing,
    "usermod": _usermod,
    "yum_repo_disable": _disabled,
    "yum_repo_file": _repository,
    "yum_update": _update,
}


def _named(image: BuiltImage, step: Step) -> Iterator[tuple[str, Entry]]:
    for pattern in step.texts("paths"):
        for found in paths.glob(image.tree, pattern):
            path = paths.canonical(image.tree, found, follow=True)
            if entry := image.tree.entry(path):
                yield path, entry
