"""A real Chromium, driven through chromedriver by the W3C WebDriver protocol: a few JSON requests."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
DRIVER = shutil.which("chromedriver") or ""
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of a reference to an element, https://www.w3.org/TR/webdriver2/#elements."""
KEYS = {
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Left": "\ue012",
    "Up": "\ue013",
    "Right": "\ue014",
    "Down": "\ue015",
}


@dataclass(frozen=True)
class Browser:
    """A window."""

    address: str

    def ask(self, method: str, path: str, **data: Any) -> Any:
        body = json.dumps(data).encode() if method == "POST" else None
        request = urllib.request.Request(
            f"{self.address}{path}", body, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {json.load(error)['value']['message']}") from None

    def open(self, file: Path, fragment: str = "") -> None:
        self.ask("POST", "/url", url=file.absolute().as_uri() + fragment)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that a script returns."""
        return self.ask("POST", "/execute/sync", script=script, args=list(arguments))

    def click(self, selector: str) -> None:
        """A click of the mouse in the middle of an element, once it is in the middle of the window."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        found = self.ask("POST", "/element", using="css selector", value=selector)
        self.ask("POST", f"/element/{found[ELEMENT]}/click")

    def press(self, *keys: str) -> None:
        """Press keys: letters, or names of KEYS."""
        typed = [KEYS.get(key, key) for key in keys]
        actions = [{"type": kind, "value": key} for key in typed for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def text(self, selector: str) -> str:
        """The text of an element as it is seen."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def seen(self, selector: str) -> int:
        """How many such elements have a place on the page."""
        return int(
            self.run(
                "return [...document.querySelectorAll(arguments[0])].filter("
                "(each) => each.checkVisibility()).length",
                selector,
            )
        )

    def size(self, width: int, height: int) -> None:
        self.ask("POST", "/window/rect", width=width, height=height)

    def complaints(self) -> list[str]:
        """What the page wrote to the console: refused by its policy, failed to load, or an exception."""
        entries = self.ask("POST", "/se/log", type="browser")
        return [entry["message"] for entry in entries if entry["level"] in {"SEVERE", "WARNING"}]

    def picture(self, file: Path) -> None:
        """Write what is seen as a PNG."""
        file.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))


@contextmanager
def browser(profile: Path, *, script: bool = True, dark: bool = False) -> Iterator[Browser]:
    """Start Chromium with an empty profile; it and its driver end with the block."""
    options = [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1440,1000",
        f"--user-data-dir={profile}", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    ]  # fmt: skip
    chrome: dict[str, Any] = {"binary": CHROMIUM, "args": options}
    if not script:
        chrome["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
    wanted = {"browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL"}}
    # All that Chromium leaves behind, caches and databases of certificates, goes with the profile.
    own = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(profile))
    driver = subprocess.Popen(
        [DRIVER, "--port=0"],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert driver.stdout is not None
        port = next(found[1] for line in driver.stdout if (found := re.search(r"on port (\d+)\.", line)))
        front = Browser(f"http://127.0.0.1:{port}")
        session = front.ask("POST", "/session", capabilities={"alwaysMatch": wanted})
        window = Browser(f"{front.address}/session/{session['sessionId']}")
        try:
            yield window
        finally:
            window.ask("DELETE", "")
    finally:
        driver.terminate()
        driver.wait(20)
        assert driver.stdout is not None
        driver.stdout.close()
