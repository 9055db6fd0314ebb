"""Tags of a release: words and variables in them, and which image gets which."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest
from buildsys.publish.built_set import TAG, Item, lock_hash
from buildsys.publish.journal import Entry
from buildsys.publish.manifest import Form

KEY_DIGITS = 12
"""Hexadecimal digits of a build key in a tag."""
_WORDS = ("date", "lock")
_VARIABLE = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_KNOWN = ("date", "key", "lock")


def filled(texts: Sequence[str], directory: Path) -> tuple[str, ...]:
    """The tags with the values that all images share; `{{ key }}` stays, since each image has its own.

    A text that is `date` or `lock` is short for `{{ date }}` or `{{ lock }}`.

    Raises:
        Refused: an unknown variable (`bad-tag`), or `lock` without a lock (`no-lock`).
    """
    texts = [f"{{{{ {text} }}}}" if text in _WORDS else text for text in texts]
    used = {name for text in texts for name in _VARIABLE.findall(text)}
    mistakes = [
        Diagnostic(
            NOWHERE,
            Code.BAD_TAG,
            f"a tag knows no variable '{name}'",
            closest(name, _KNOWN) or f"known are {', '.join(_KNOWN)}",
        )
        for name in sorted(used.difference(_KNOWN))
    ]
    values = {"key": "{{ key }}"}
    if "date" in used:
        values["date"] = datetime.now(UTC).strftime("%Y%m%d")
    if "lock" in used:
        values["lock"] = lock_hash(directory)
        if not values["lock"]:
            message = f"the plan in {directory} is not locked, so the tag `lock` has no value"
            mistakes.append(Diagnostic(NOWHERE, Code.NO_LOCK, message))
    if mistakes:
        raise Refused(mistakes)
    return tuple(dict.fromkeys(_VARIABLE.sub(lambda found: values[found[1]], text) for text in texts))


def bad_tags(tags: Iterable[str], items: Iterable[Item]) -> list[str]:
    """The filled tags that are not valid for some image."""
    every = tuple(items)
    return [tag for tag in tags if not all(TAG.fullmatch(of_image(tag, item)) for item in every)]


def of_image(tag: str, item: Item) -> str:
    """A filled tag for one image: `{{ key }}` is the beginning of its build key."""
    return _VARIABLE.sub(lambda _: item.key[:KEY_DIGITS], tag)


def tags_of(
    item: Item, tags: Iterable[str], before: Entry | None, form: Form, *, changed: bool
) -> tuple[str, ...]:
    """All tags of an image, its own first.

    `before`: what was published there last. With `changed`, an image that is the same keeps its tags.
    """
    if changed and before is not None and before.id == item.id and _same_form(before.form, form):
        return before.tag, *before.more
    return tuple(dict.fromkeys((item.tag, *(of_image(tag, item) for tag in tags))))


def _same_form(text: str, form: Form) -> bool:
    """Whether two forms have the same compression and labels; a destination decides the format."""
    was, now = json.loads(text), json.loads(form.text)
    return bool(was[1:] == now[1:])
