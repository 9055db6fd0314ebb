"""The values that exist only while a scenario runs: generated secrets, and what its steps capture."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from buildsys.diagnostics import Diagnostic
from buildsys.testing.result import Case
from buildsys.testing.spec import CLOSE, CUT, OPEN, Exec, Http

LETTERS = string.ascii_letters + string.digits
LENGTH = 32
"""Characters of a secret: too many to occur in another text by chance."""
TELLING = 4
"""A cut secret of fewer characters is not masked: it gives nothing away."""
_NAMED = re.compile(f"{OPEN}(.*?){CLOSE}")


class Values:
    """The values of one run, by name; the secrets are generated when it is created."""

    def __init__(self, names: Iterable[str]) -> None:
        self._secrets = {name: "".join(secrets.choice(LETTERS) for _ in range(LENGTH)) for name in names}
        self._captured: dict[str, str] = {}

    def capture(self, name: str, value: str) -> None:
        """Keep a captured value."""
        self._captured[name] = value

    def text(self, text: str) -> str:
        """Fill in the values of a text."""
        return _NAMED.sub(lambda match: self._value(match[1]), text)

    def pattern(self, text: str) -> str:
        """Fill in the values of a regular expression, escaped."""
        return _NAMED.sub(lambda match: re.escape(self._value(match[1])), text)

    def texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Fill in several texts."""
        return tuple(map(self.text, texts))

    def map(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Fill in the texts of a map."""
        return {name: self.text(text) for name, text in texts.items()}

    def run(self, command: Exec, timeout: float) -> Exec:
        """Fill in a command; its limit becomes at most `timeout` seconds."""
        return replace(
            command,
            argv=self.texts(command.argv),
            user=self.text(command.user),
            env=self.map(command.env),
            output=self.pattern(command.output),
            timeout=min(command.timeout, timeout),
        )

    def http(self, request: Http) -> Http:
        """Fill in a request."""
        return replace(
            request,
            path=self.text(request.path),
            headers=self.map(request.headers),
            body=self.text(request.body),
            json={path: self._any(value) for path, value in request.json.items()},
            output=self.pattern(request.output),
        )

    def masked(self, text: str) -> str:
        """Replace each secret by its name, and the beginning of a secret before CUT, too."""
        for name, value in self._secrets.items():
            text = text.replace(value, f"{{{{ {name} }}}}")
            for length in range(LENGTH - 1, TELLING - 1, -1):
                text = text.replace(f"{value[:length]}{CUT}", f"{{{{ {name} }}}}{CUT}")
        return text

    def masked_case(self, case: Case) -> Case:
        """Mask all texts of a case."""
        mistakes = tuple(self._masked_mistake(mistake) for mistake in case.mistakes)
        return replace(case, name=self.masked(case.name), mistakes=mistakes, output=self.masked(case.output))

    def _masked_mistake(self, mistake: Diagnostic) -> Diagnostic:
        return replace(mistake, message=self.masked(mistake.message), hint=self.masked(mistake.hint))

    def _any(self, value: Any) -> Any:
        return self.text(value) if isinstance(value, str) else value

    def _value(self, name: str) -> str:
        return self._captured.get(name) or self._secrets.get(name, "")
