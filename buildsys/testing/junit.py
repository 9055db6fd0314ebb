"""Outcomes as JUnit XML, the format that CI systems read."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from buildsys.testing.result import Case, Outcome

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters outside of `Char` of the XML 1.0 specification: they cannot even be escaped."""
LONGEST = 10_000
"""Characters of an output that are kept: the last ones."""


def junit(set_name: str, outcomes: Sequence[Outcome]) -> str:
    """The file: a test suite for each image or scenario, with a test case for each `Case`."""
    root = ET.Element("testsuites", name=set_name)
    for outcome in outcomes:
        _suite(root, set_name, outcome)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, set_name: str, outcome: Outcome) -> None:
    failures = sum(bool(case.mistakes) for case in outcome.cases)
    suite = ET.SubElement(
        root,
        "testsuite",
        name=f"{set_name}.{outcome.kind}.{outcome.name}",
        tests=str(len(outcome.cases)),
        failures=str(failures),
        errors="0",
        time=f"{outcome.seconds:.1f}",
    )
    ids = ET.SubElement(suite, "properties")
    for name, identity in outcome.ids.items():
        ET.SubElement(ids, "property", name=f"image.{name}", value=identity)
    for case in outcome.cases:
        _case(suite, f"{set_name}.{outcome.name}", case)


def _case(suite: ET.Element, class_name: str, case: Case) -> None:
    item = ET.SubElement(
        suite, "testcase", classname=class_name, name=_clean(case.name), time=f"{case.seconds:.1f}"
    )
    for mistake in case.mistakes:
        failure = ET.SubElement(item, "failure", type=mistake.code, message=_clean(mistake.message))
        failure.text = _clean(mistake.text())
    if case.mistakes and case.output:
        ET.SubElement(item, "system-out").text = _clean(case.output[-LONGEST:])


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("?", text)
