"""Names that other systems give to images: no two images may have one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from buildsys.diagnostics import Code, Diagnostic, Spot


def same_names(called: Iterable[tuple[str, str, Spot]], system: str) -> Iterator[Diagnostic]:
    """What is wrong (`export-bad-name`) where a name is another image's already.

    `called` are name, image, and the place that led to the name.
    """
    first: dict[str, str] = {}
    for name, image, spot in called:
        other = first.setdefault(name, image)
        if other != image:
            message = f"{system} would call {other} and {image} the same: {name}"
            yield Diagnostic(spot, Code.EXPORT_BAD_NAME, message)
