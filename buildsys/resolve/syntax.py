"""What names, paths, modes and the like must look like: each check says what is wrong, or nothing."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import cache

from buildsys.diagnostics import Code, Problem
from buildsys.image import NAME

Check = Callable[[str], Problem | None]
NumberCheck = Callable[[int], Problem | None]

NO_COMMAND = (Code.EMPTY_COMMAND, "there is nothing to run", "write a command, or leave it out")
NOT_ONE_VALUE = (
    Code.WRONG_TYPE,
    "an answer's place holds a text, a number, true or false",
    "name the place of a single value",
)

LONGEST_NAME = 255
"""Bytes that a file system takes for the name of a file."""
LONGEST_PATH = 4095
"""Bytes that a kernel takes for a path."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~^:-]*")
_OCTAL = re.compile(r"[0-7]{3,4}")
_SYMBOLIC = re.compile(r"[ugoa]*(?:[-+=][rwxXst]*)+(?:,[ugoa]*(?:[-+=][rwxXst]*)+)*")
_ACCOUNT = r"(?:[A-Za-z_][A-Za-z0-9_.-]{0,31}|[0-9]{1,10})"
_OWNER = re.compile(rf"{_ACCOUNT}(?::{_ACCOUNT}?)?|:{_ACCOUNT}")
_USER = re.compile(rf"{_ACCOUNT}(?::{_ACCOUNT})?")
_ACCOUNT_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL = re.compile(r"[^\s=\"'\\]+")
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(?:tcp|udp|sctp))?")
_SIGNAL = re.compile(
    r"(?:SIG)?(?:RTMIN(?:\+[0-9]{1,2})?|RTMAX(?:-[0-9]{1,2})?|[A-Z][A-Z0-9]{1,7})|[0-9]{1,2}"
)
_SIGNALS = frozenset(
    "HUP INT QUIT ILL TRAP ABRT IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CLD CONT STOP "
    "TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO POLL PWR SYS".split()
)
_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+(?:\.[0-9]+)?)s)?(?:([0-9]+)ms)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"(?:https?|ftp|file)://[^\s'\"\\]+")
_GEM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?::[^:\s][^:]*)?")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_REGISTRY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_NAMESPACE = re.compile(rf"{NAME.pattern}(?:/{NAME.pattern})*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(kB|MB|GB|KiB|MiB|GiB)")
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_REGISTRY.pattern}/)?{_PART}(?:/{_PART})*(?::{_TAG.pattern})?(?:@sha256:[0-9a-f]{{64}})?"
)


@cache
def path(text: str) -> Problem | None:
    """A path inside the image."""
    if not text.startswith("/"):
        return Code.BAD_PATH, f"the path '{text}' is not absolute", f"write /{text}" if text else ""
    if ".." in text and ".." in text.split("/"):
        return Code.BAD_PATH, f"the path '{text}' goes up with '..'", "write where it leads"
    if _CONTROL.search(text):
        return Code.BAD_PATH, "a path cannot hold control characters", ""
    if "[^" in text:
        return Code.BAD_PATH, f"shells do not agree on what '[^' means in '{text}'", "write [! instead"
    return None


@cache
def removable(text: str) -> Problem | None:
    """A path that may be removed: any but the root itself."""
    if not text.strip("/.*"):
        return Code.BAD_PATH, f"'{text}' is the whole image", "name what is to go"
    return path(text)


def epoch(seconds: int) -> Problem | None:
    """A time from which on files are no newer."""
    return (
        None
        if 0 <= seconds < 1 << 33
        else (Code.BAD_NUMBER, f"{seconds} is not a time", "seconds since 1970")
    )


@cache
def mode(text: str) -> Problem | None:
    """What chmod takes."""
    if _OCTAL.fullmatch(text) or _SYMBOLIC.fullmatch(text):
        return None
    return Code.BAD_MODE, f"'{text}' is not a mode", 'modes look like "755", "2775" or "a+rx"'


def plain_mode(text: str) -> str:
    """A mode in its shortest form: to chmod "0755" is "755"."""
    return text.removeprefix("0") if len(text) == len("0755") and text.isdigit() else text


@cache
def owner(text: str) -> Problem | None:
    """What chown takes."""
    if _OWNER.fullmatch(text):
        return None
    return Code.BAD_OWNER, f"'{text}' is not an owner", "write user, user:, user:group, :group, or numbers"


@cache
def user(text: str) -> Problem | None:
    """The user a container runs as."""
    if _USER.fullmatch(text):
        return None
    return Code.BAD_OWNER, f"'{text}' is not a user", "write user, user:group, or numbers"


@cache
def account(text: str) -> Problem | None:
    """The name of an account or a group."""
    if _ACCOUNT_NAME.fullmatch(text):
        return None
    return Code.BAD_OWNER, f"'{text}' cannot name an account or a group", "use a-z, 0-9, '_', '-' and '.'"


@cache
def package(text: str) -> Problem | None:
    """The name of a package, perhaps with its version."""
    if _PACKAGE.fullmatch(text):
        return None
    return (
        Code.BAD_PACKAGE_NAME,
        f"'{text}' is not a package's name",
        "name packages, one by one, without options",
    )


@cache
def image_name(text: str) -> Problem | None:
    """The name of an image."""
    if text == "site":
        return Code.BAD_IMAGE_NAME, "'site' stands for the base a site gives", "call the image something else"
    if len(text) > 128:
        return Code.BAD_IMAGE_NAME, "an image's name has at most 128 characters", ""
    if NAME.fullmatch(text):
        return None
    fixed = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    hint = (
        f"perhaps '{fixed}'" if NAME.fullmatch(fixed) else "use a-z and 0-9, joined by single '-', '_' or '.'"
    )
    return Code.BAD_IMAGE_NAME, f"'{text}' cannot name an image", hint


@cache
def environment_name(text: str) -> Problem | None:
    """The name of an environment variable."""
    if _ENVIRONMENT.fullmatch(text):
        return None
    return Code.BAD_NAME, f"'{text}' cannot name an environment variable", "use letters, digits and '_'"


@cache
def label_name(text: str) -> Problem | None:
    """The name of a label or an annotation."""
    if _LABEL.fullmatch(text):
        return None
    return Code.BAD_NAME, f"'{text}' cannot name a label", "leave out spaces, quotes and '='"


@cache
def port(text: str) -> Problem | None:
    """A port, or a range of them, with its protocol."""
    match = _PORT.fullmatch(text)
    if match and 1 <= int(match[1]) <= int(match[2] or match[1]) <= 65535:
        return None
    return Code.BAD_PORT, f"'{text}' is not a port", 'ports look like "8774/tcp" or "5900-5999/tcp"'


@cache
def signal(text: str) -> Problem | None:
    """A signal's name or number."""
    if _SIGNAL.fullmatch(text):
        name = text.removeprefix("SIG")
        if name in _SIGNALS or name.startswith("RTM") or (name.isdigit() and 1 <= int(name) <= 64):
            return None
    return Code.BAD_SIGNAL, f"'{text}' is not a signal", "signals look like SIGTERM or SIGRTMIN+3"


def duration(text: str) -> float | None:
    """Seconds of a duration like `30s`, `1m30s` or `500ms`; None when it is not one."""
    match = _DURATION.fullmatch(text)
    if not match or not text:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def not_a_duration(text: str) -> Problem:
    """What is wrong with a text that is no duration."""
    return Code.BAD_DURATION, f"'{text}' is not a duration", "durations look like 30s, 1m30s or 500ms"


def size(text: str) -> int | None:
    """Bytes of a size like `900MB` or `1.5 GiB`; None when it is not one."""
    match = _SIZE.fullmatch(text)
    return int(float(match[1]) * _BYTES[match[2]]) if match else None


@cache
def expression(text: str) -> Problem | None:
    """A regular expression of Python's."""
    try:
        # What Python may read otherwise one day, such as [[:alpha:]], means nothing for certain.
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            re.compile(text)
    except (re.error, FutureWarning) as error:
        reason = error.msg if isinstance(error, re.error) else str(error).lower()
        return (
            Code.BAD_PATTERN,
            f"'{text}' is not a regular expression: {reason}",
            r"a '\' before it takes a character as it is",
        )
    return None


@cache
def exit_status(number: int) -> Problem | None:
    """What a program can end with."""
    return None if 0 <= number <= 255 else (Code.BAD_NUMBER, f"no program ends with {number}", "0 to 255")


@cache
def http_status(number: int) -> Problem | None:
    """What a server can answer with."""
    return (
        None if 100 <= number <= 599 else (Code.BAD_NUMBER, f"no server answers with {number}", "100 to 599")
    )


@cache
def header_name(text: str) -> Problem | None:
    """The name of a request's header."""
    if _HEADER.fullmatch(text):
        return None
    return Code.BAD_NAME, f"'{text}' cannot name a header", "use letters, digits and '-'"


@cache
def file_name(text: str) -> Problem | None:
    """A relative path of a scenario's own."""
    if _FILE.fullmatch(text):
        return None
    return (
        Code.BAD_PATH,
        f"'{text}' cannot be a file of a scenario",
        "relative, of letters, digits, '.', '_' and '-': keystone/keystone.conf",
    )


@cache
def sha256(text: str) -> Problem | None:
    """A SHA-256 checksum."""
    if _SHA256.fullmatch(text):
        return None
    return Code.BAD_CHECKSUM, f"'{text}' is not a SHA-256 checksum", "64 digits 0-9, a-f"


@cache
def url(text: str) -> Problem | None:
    """Where something can be fetched."""
    if _URL.fullmatch(text):
        return None
    return Code.BAD_URL, f"'{text}' is not a URL", "it begins with https://, http://, ftp:// or file://"


@cache
def gem(text: str) -> Problem | None:
    """A gem's name, perhaps with a constraint."""
    if _GEM.fullmatch(text):
        return None
    return Code.BAD_PACKAGE_NAME, f"'{text}' is not a gem", "write name, or name:constraint"


@cache
def gem_flag(text: str) -> Problem | None:
    """A flag of gem."""
    if text.startswith("-") and not _CONTROL.search(text):
        return None
    return (
        Code.BAD_PACKAGE_NAME,
        f"'{text}' is not a flag of gem",
        "a flag begins with '-'; gems go into `gems`",
    )


@cache
def repository(text: str) -> Problem | None:
    """The id of a package repository."""
    if _REPOSITORY.fullmatch(text):
        return None
    return Code.BAD_NAME, f"'{text}' cannot name a repository", "use letters, digits, '-', '_', '.' and ':'"


@cache
def one_line(text: str) -> Problem | None:
    """A text that ends up in one line of a file."""
    if "\n" in text or "\r" in text:
        return Code.BAD_LINE, "this text must be one line", "use a block scalar only where lines are wanted"
    return None


@cache
def pattern(text: str) -> Problem | None:
    """An extended regular expression for one line."""
    if not text:
        return Code.BAD_LINE, "an empty pattern matches every line", "say which lines"
    if reason := _unmatched(text):
        hint = r"a '\' before it takes a character as it is"
        return Code.BAD_PATTERN, f"'{text}' is not a regular expression: {reason}", hint
    return one_line(text)


_TOKEN = re.compile(r"\\.|\[\^?]?(?:\[:\w+:\]|\[\.[^]]*\.\]|\[=[^]]*=\]|\[(?![:.=])|[^][])*\]|.", re.DOTALL)
"""A sign, or brackets that are closed."""


def _unmatched(text: str) -> str:
    """What of an extended regular expression has no partner, in words; or nothing."""
    depth = 0
    for part in _TOKEN.findall(text):
        if part == "[":
            return "a [ has no ] behind it"
        if part == "\\":
            return "nothing stands behind the last \\"
        depth += (part == "(") - (part == ")")
        if depth < 0:
            break
    return "parentheses do not match" if depth else ""


@cache
def release(text: str) -> Problem | None:
    """A distribution's release version."""
    if _TAG.fullmatch(text):
        return None
    return Code.BAD_NAME, f"'{text}' cannot be a release version", 'for example "7"'


@cache
def set_name(text: str) -> Problem | None:
    """The name of an image set: it names files, make targets and key tags."""
    if NAME.fullmatch(text):
        return None
    return Code.BAD_NAME, f"'{text}' cannot name a set", "use a-z and 0-9, joined by single '-', '_' or '.'"


@cache
def scenario_name(text: str) -> Problem | None:
    """The name of a scenario: it names files, a pod and a folder of logs."""
    if len(text) > 128:
        return Code.BAD_NAME, "a scenario's name has at most 128 characters", ""
    if NAME.fullmatch(text):
        return None
    return (
        Code.BAD_NAME,
        f"'{text}' cannot name a scenario",
        "use a-z and 0-9, joined by single '-', '_' or '.'",
    )


@cache
def container_name(text: str) -> Problem | None:
    """The name of a scenario's container, which is its host name as well."""
    if NAME.fullmatch(text):
        return None
    return (
        Code.BAD_NAME,
        f"'{text}' cannot name a container",
        "use a-z and 0-9, joined by single '-', '_' or '.'",
    )


@cache
def tag(text: str) -> Problem | None:
    """A reference's tag."""
    if _TAG.fullmatch(text):
        return None
    return Code.BAD_REFERENCE, f"'{text}' cannot be a tag", "at most 128 letters, digits, '_', '.' and '-'"


@cache
def registry(text: str) -> Problem | None:
    """A reference's registry."""
    if _REGISTRY.fullmatch(text):
        return None
    return Code.BAD_REFERENCE, f"'{text}' cannot be a registry", "write host or host:port, without https://"


@cache
def namespace(text: str) -> Problem | None:
    """A reference's namespace."""
    if _NAMESPACE.fullmatch(text):
        return None
    return (
        Code.BAD_REFERENCE,
        f"'{text}' cannot be a namespace",
        "use a-z and 0-9, '-', '_' or '.' between, and '/'",
    )


@cache
def reference(text: str) -> Problem | None:
    """A reference to an image built elsewhere."""
    if _REFERENCE.fullmatch(text):
        return None
    hint = "for example docker.io/library/centos:7"
    if _REFERENCE.fullmatch(text.lower()):
        hint = f"names of images are written in small letters, as in {text.lower()}"
    return Code.BAD_REFERENCE, f"'{text}' is not a reference", hint


def local_path(text: str) -> Problem | None:
    """What keeps a text from naming any file of a host."""
    longest = max((len(part.encode(errors="surrogateescape")) for part in text.split("/")), default=0)
    if longest > LONGEST_NAME or len(text.encode(errors="surrogateescape")) > LONGEST_PATH:
        message = f"'{text[:20]}…' is longer than the name of a file can be"
        return Code.BAD_PATH, message, f"a name has {LONGEST_NAME} bytes at most, a path {LONGEST_PATH}"
    if "\0" in text or "\n" in text:
        return Code.BAD_PATH, "a line break is part of no path here", "give it another name"
    return None
