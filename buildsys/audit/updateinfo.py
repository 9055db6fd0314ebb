"""updateinfo.xml of RPM repositories: advisories, and the packages that mend them."""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from buildsys.audit.advisory import Advisory, named_severity


def advisories(content: bytes) -> Iterator[Advisory]:
    """The security advisories of the file.

    Raises:
        expat.ExpatError, ValueError: it is not such a file, or it declares entities.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = reader.entity
    parser.Parse(content, True)  # noqa: FBT003 - it has no name
    if not reader.known:
        raise ValueError("its root is not <updates>")
    return iter(reader.found)


class _Reader:
    """Collects advisories from the events of the parser."""

    def __init__(self) -> None:
        self.found: list[Advisory] = []
        self.known = False
        self._update: dict[str, str] = {}
        self._aliases: list[str] = []
        self._packages: list[dict[str, str]] = []
        self._depth = 0
        self._text = ""

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._text = ""
        if self._depth == 1:
            self.known = name == "updates"
        elif name == "update":
            self._update, self._aliases, self._packages = {"type": attributes.get("type", "")}, [], []
        elif name == "reference" and attributes.get("type") == "cve" and attributes.get("id"):
            self._aliases.append(attributes["id"])
        elif name == "package":
            self._packages.append(attributes)

    def end(self, name: str) -> None:
        # Below <update> directly: a reference has an id and a title, too.
        if name in {"id", "severity"} and self._depth == 3:
            self._update[name] = self._text.strip()
        elif name == "update" and self._update.get("type") == "security":
            self._finish()
        self._depth -= 1

    def text(self, text: str) -> None:
        self._text += text

    def entity(self, *_: object) -> None:
        raise ValueError("it declares entities")

    def _finish(self) -> None:
        for item in self._packages:
            if item["arch"] in {"src", "nosrc"}:
                continue
            epoch = "" if item.get("epoch", "0") in {"", "0"} else f"{item['epoch']}:"
            self.found.append(
                Advisory(
                    id=self._update["id"],
                    aliases=tuple(self._aliases),
                    severity=named_severity(self._update.get("severity", "")),
                    kind="rpm",
                    distribution="",
                    package=item["name"],
                    source=False,
                    introduced="",
                    fixed=f"{epoch}{item['version']}-{item['release']}",
                    arch=item["arch"],
                )
            )
