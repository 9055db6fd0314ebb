"""The forms of single values: names, paths, modes, numbers. Each has its check, its code and its hint.

A field of a model has one of the types at the end of this module: pydantic checks it, and the JSON Schema
shows its pattern to editors. Other rooms check a text of their own by `FORM.problem(text)`.
"""

from __future__ import annotations

import re
import warnings
from typing import Annotated

from buildsys.diagnostics import Code, Problem
from buildsys.image import NAME
from buildsys.recipe.schema.forms import Form, Range, matching

# Files ------------------------------------------------------------------------------------------

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ANY_PATH = r"/[^\x00-\x1f\x7f]*"


def _path(text: str) -> Problem | None:
    if not text.startswith("/"):
        return Code.BAD_PATH, f"the path '{text}' is not absolute", f"write /{text}" if text else ""
    if ".." in text and ".." in text.split("/"):
        return Code.BAD_PATH, f"the path '{text}' goes up with '..'", "write where it leads"
    if _CONTROL.search(text):
        return Code.BAD_PATH, "a path cannot hold control characters", ""
    if "[^" in text:
        return Code.BAD_PATH, f"shells do not agree on what '[^' means in '{text}'", "write [! instead"
    return None


def _removable(text: str) -> Problem | None:
    if not text.strip("/.*"):
        return Code.BAD_PATH, f"'{text}' is the whole image", "name the path to remove"
    return PATH.problem(text)


def _one_line(text: str) -> Problem | None:
    if "\n" in text or "\r" in text:
        return Code.BAD_LINE, "this text must be one line", "use a block scalar only where lines are wanted"
    return None


def _link_target(text: str) -> Problem | None:
    return ONE_LINE.problem(text) if text else (Code.BAD_PATH, "a link must lead somewhere", "")


PATH = Form(_path, _ANY_PATH, "an absolute path inside the image")
PATH_OR_NOTHING = Form(
    lambda text: PATH.problem(text) if text else None,
    f"(?:{_ANY_PATH})?",
    "an absolute path inside the image",
)
REMOVABLE = Form(_removable, _ANY_PATH, "an absolute path inside the image, but not the whole image")
LINK_TARGET = Form(_link_target, r"[^\n\r]+", "a path, absolute or relative to the link")
ONE_LINE = Form(_one_line, r"[^\n\r]*", "one line")
MODE = matching(
    Code.BAD_MODE, "'{}' is not a mode", 'modes look like "755", "2775" or "a+rx"',
    r"[0-7]{3,4}|[ugoa]*(?:[-+=][rwxXst]*)+(?:,[ugoa]*(?:[-+=][rwxXst]*)+)*",
)  # fmt: skip
SHA256 = matching(Code.BAD_CHECKSUM, "'{}' is not a SHA-256 checksum", "64 digits 0-9, a-f", r"[0-9a-f]{64}")
URL = matching(
    Code.BAD_URL, "'{}' is not a URL", "it begins with https://, http://, ftp:// or file://",
    r"(?:https?|ftp|file)://[^\s'\"\\]+",
)  # fmt: skip
SCENARIO_FILE = matching(
    Code.BAD_PATH, "'{}' cannot be a file of a scenario",
    "relative, of letters, digits, '.', '_' and '-': keystone/keystone.conf",
    r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*",
)  # fmt: skip

# Patterns ---------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\\.|\[\^?]?(?:\[:\w+:\]|\[\.[^]]*\.\]|\[=[^]]*=\]|\[(?![:.=])|[^][])*\]|.", re.DOTALL)
"""A character, or brackets that are closed."""


def _pattern(text: str) -> Problem | None:
    if not text:
        return Code.BAD_LINE, "an empty pattern matches every line", "say which lines"
    if reason := _unmatched(text):
        hint = r"a '\' before it takes a character as it is"
        return Code.BAD_PATTERN, f"'{text}' is not a regular expression: {reason}", hint
    return ONE_LINE.problem(text)


def _unmatched(text: str) -> str:
    """The mistake of an extended regular expression, in words; empty for none."""
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


def _expression(text: str) -> Problem | None:
    try:
        # Python warns where a later version may read an expression otherwise, such as [[:alpha:]].
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            re.compile(text)
    except (re.error, FutureWarning) as error:
        reason = error.msg if isinstance(error, re.error) else str(error).lower()
        message = f"'{text}' is not a regular expression: {reason}"
        return Code.BAD_PATTERN, message, r"a '\' before it takes a character as it is"
    return None


PATTERN = Form(_pattern, r"[^\n\r]+", "an extended regular expression for one line")
EXPRESSION = Form(_expression, r"[\s\S]*", "a regular expression of Python")

# Accounts, packages, repositories ---------------------------------------------------------------

_ACCOUNT = r"(?:[A-Za-z_][A-Za-z0-9_.-]{0,31}|[0-9]{1,10})"
_GEM_FLAG = r"-[^\x00-\x1f\x7f]*"
LARGEST_ID = 4294967294

OWNER = matching(
    Code.BAD_OWNER, "'{}' is not an owner", "write user, user:, user:group, :group, or numbers",
    rf"{_ACCOUNT}(?::{_ACCOUNT}?)?|:{_ACCOUNT}",
)  # fmt: skip
USER = matching(
    Code.BAD_OWNER, "'{}' is not a user", "write user, user:group, or numbers", rf"{_ACCOUNT}(?::{_ACCOUNT})?"
)
ACCOUNT_NAME = matching(
    Code.BAD_OWNER, "'{}' cannot name an account or a group", "use a-z, 0-9, '_', '-' and '.'",
    r"[a-z_][a-z0-9_.-]{0,31}",
)  # fmt: skip
PACKAGE_NAME = matching(
    Code.BAD_PACKAGE_NAME, "'{}' is not a package's name", "name packages, one by one, without options",
    r"[A-Za-z0-9][A-Za-z0-9+._~^:-]*",
)  # fmt: skip
GEM = matching(
    Code.BAD_PACKAGE_NAME, "'{}' is not a gem", "write name, or name:constraint",
    r"[A-Za-z0-9_][A-Za-z0-9._-]*(?::[^:\s][^:]*)?",
)  # fmt: skip
GEM_FLAG = matching(
    Code.BAD_PACKAGE_NAME,
    "'{}' is not a flag of gem",
    "a flag begins with '-'; gems go into `gems`",
    _GEM_FLAG,
)
REPOSITORY_ID = matching(
    Code.BAD_NAME, "'{}' cannot name a repository", "use letters, digits, '-', '_', '.' and ':'",
    r"[A-Za-z0-9][A-Za-z0-9._:+-]*",
)  # fmt: skip
UID = Range("{} cannot be a uid", f"0 to {LARGEST_ID}", 0, LARGEST_ID)
GID = Range("{} cannot be a gid", f"0 to {LARGEST_ID}", 0, LARGEST_ID)

# Images and sets --------------------------------------------------------------------------------

_JOINED = "use a-z and 0-9, joined by single '-', '_' or '.'"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_REGISTRY = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = rf"(?:{_REGISTRY}/)?{_PART}(?:/{_PART})*(?::{_TAG})?(?:@sha256:[0-9a-f]{{64}})?"
LONGEST_NAME = 128
"""Characters of the name of an image or a scenario."""


def _image_name(text: str) -> Problem | None:
    if text == "site":
        return Code.BAD_IMAGE_NAME, "'site' stands for the base a site gives", "call the image something else"
    if len(text) > LONGEST_NAME:
        return Code.BAD_IMAGE_NAME, f"an image's name has at most {LONGEST_NAME} characters", ""
    if NAME.fullmatch(text):
        return None
    fixed = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    hint = f"perhaps '{fixed}'" if NAME.fullmatch(fixed) else _JOINED
    return Code.BAD_IMAGE_NAME, f"'{text}' cannot name an image", hint


def _prefix(text: str) -> Problem | None:
    if IMAGE_NAME.problem(f"{text}a") is None:
        return None
    hint = "use a-z and 0-9, and at most one '-', '_' or '.' between"
    return Code.BAD_REFERENCE, f"'{text}' cannot begin an image's name", hint


def _scenario_name(text: str) -> Problem | None:
    if len(text) > LONGEST_NAME:
        return Code.BAD_NAME, f"a scenario's name has at most {LONGEST_NAME} characters", ""
    return None if NAME.fullmatch(text) else (Code.BAD_NAME, f"'{text}' cannot name a scenario", _JOINED)


def _reference(text: str) -> Problem | None:
    if re.fullmatch(_REFERENCE, text):
        return None
    hint = "for example docker.io/library/centos:7"
    if re.fullmatch(_REFERENCE, text.lower()):
        hint = f"names of images are written in small letters, as in {text.lower()}"
    return Code.BAD_REFERENCE, f"'{text}' is not a reference", hint


IMAGE_NAME = Form(_image_name, NAME.pattern, _JOINED)
PREFIX = Form(_prefix, r"[a-z0-9._-]*", "what the names of all images begin with")
SET_NAME = matching(Code.BAD_NAME, "'{}' cannot name a set", _JOINED, NAME.pattern)
SCENARIO_NAME = Form(_scenario_name, NAME.pattern, _JOINED)
CONTAINER_NAME = matching(Code.BAD_NAME, "'{}' cannot name a container", _JOINED, NAME.pattern)
REFERENCE = Form(_reference, _REFERENCE, "for example docker.io/library/centos:7")
TAG = matching(
    Code.BAD_REFERENCE, "'{}' cannot be a tag", "at most 128 letters, digits, '_', '.' and '-'", _TAG
)
REGISTRY = matching(
    Code.BAD_REFERENCE, "'{}' cannot be a registry", "write host or host:port, without https://", _REGISTRY
)
NAMESPACE = matching(
    Code.BAD_REFERENCE, "'{}' cannot be a namespace", "use a-z and 0-9, '-', '_' or '.' between, and '/'",
    rf"{NAME.pattern}(?:/{NAME.pattern})*",
)  # fmt: skip
RELEASE = matching(Code.BAD_NAME, "'{}' cannot be a release version", 'for example "7"', _TAG)
EPOCH = Range("{} is not a time", "seconds since 1970", 0, (1 << 33) - 1)

# Configuration and tests ------------------------------------------------------------------------

_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(?:tcp|udp|sctp))?")
_SIGNAL = re.compile(
    r"(?:SIG)?(?:RTMIN(?:\+[0-9]{1,2})?|RTMAX(?:-[0-9]{1,2})?|[A-Z][A-Z0-9]{1,7})|[0-9]{1,2}"
)
_SIGNALS = frozenset(
    "HUP INT QUIT ILL TRAP ABRT IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CLD CONT STOP "
    "TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO POLL PWR SYS".split()
)
_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+(?:\.[0-9]+)?)s)?(?:([0-9]+)ms)?")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(kB|MB|GB|KiB|MiB|GiB)")
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def seconds(text: str) -> float | None:
    """Seconds of a duration like `30s`, `1m30s` or `500ms`; None for another text."""
    match = _DURATION.fullmatch(text)
    if not match or not text:
        return None
    hours, minutes, rest, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest + milliseconds / 1000


def size(text: str) -> int:
    """Bytes of a size like `900MB` or `1.5 GiB`; 0 for another text."""
    match = _SIZE.fullmatch(text)
    return int(float(match[1]) * _BYTES[match[2]]) if match else 0


def _duration(text: str) -> Problem | None:
    return (
        None if seconds(text) is not None else (Code.BAD_DURATION, f"'{text}' is not a duration", _LIKE_30S)
    )


def _limit(text: str) -> Problem | None:
    return None if seconds(text) else (Code.BAD_DURATION, f"'{text}' is not a duration", _LIKE_30S)


def _port(text: str) -> Problem | None:
    match = _PORT.fullmatch(text)
    if match and 1 <= int(match[1]) <= int(match[2] or match[1]) <= 65535:
        return None
    return Code.BAD_PORT, f"'{text}' is not a port", _LIKE_8774


def _signal(text: str) -> Problem | None:
    if _SIGNAL.fullmatch(text):
        name = text.removeprefix("SIG")
        if name in _SIGNALS or name.startswith("RTM") or (name.isdigit() and 1 <= int(name) <= 64):
            return None
    return Code.BAD_SIGNAL, f"'{text}' is not a signal", "signals look like SIGTERM or SIGRTMIN+3"


_LIKE_30S = "durations look like 30s, 1m30s or 500ms"
_LIKE_8774 = 'ports look like "8774/tcp" or "5900-5999/tcp"'
DURATION = Form(_duration, rf"(?=.){_DURATION.pattern}", _LIKE_30S)
LIMIT = Form(_limit, rf"(?=.){_DURATION.pattern}", f"more than nothing; {_LIKE_30S}")
SIZE = Form(
    lambda text: (
        None if size(text) else (Code.BAD_SIZE, f"'{text}' is not a size", "sizes look like 900MB or 1.5GiB")
    ),
    _SIZE.pattern,
    "sizes look like 900MB or 1.5GiB",
)
PORT = Form(_port, _PORT.pattern, _LIKE_8774)
SIGNAL = Form(_signal, _SIGNAL.pattern, "signals look like SIGTERM or SIGRTMIN+3")
ENVIRONMENT_NAME = matching(
    Code.BAD_NAME, "'{}' cannot name an environment variable", "use letters, digits and '_'",
    r"[A-Za-z_][A-Za-z0-9_]*",
)  # fmt: skip
LABEL_NAME = matching(
    Code.BAD_NAME, "'{}' cannot name a label", "leave out spaces, quotes and '='", r"[^\s=\"'\\]+"
)
HEADER_NAME = matching(
    Code.BAD_NAME, "'{}' cannot name a header", "use letters, digits and '-'", r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
)
RETRIES = Range("{} is not a number of retries", "1 or more", 1, 1 << 63)
OPEN_FILES = Range("{} is not a limit of open files", "write 1 to 1048576", 1, 1 << 20)
PORT_NUMBER = Range("'{}' is not a port", _LIKE_8774, 1, 65535, Code.BAD_PORT)
EXIT_STATUS = Range("no program ends with {}", "0 to 255", 0, 255)
HTTP_STATUS = Range("no server answers with {}", "100 to 599", 100, 599)

# The types of fields ----------------------------------------------------------------------------

AccountName = Annotated[str, ACCOUNT_NAME]
ContainerName = Annotated[str, CONTAINER_NAME]
Duration = Annotated[str, DURATION]
EnvironmentName = Annotated[str, ENVIRONMENT_NAME]
Epoch = Annotated[int, EPOCH]
ExitStatus = Annotated[int, EXIT_STATUS]
Expression = Annotated[str, EXPRESSION]
Gem = Annotated[str, GEM]
GemFlag = Annotated[str, GEM_FLAG]
GroupNumber = Annotated[int, GID]
HeaderName = Annotated[str, HEADER_NAME]
HttpStatus = Annotated[int, HTTP_STATUS]
ImageName = Annotated[str, IMAGE_NAME]
LabelName = Annotated[str, LABEL_NAME]
Limit = Annotated[str, LIMIT]
LinkTarget = Annotated[str, LINK_TARGET]
Mode = Annotated[str, MODE]
Namespace = Annotated[str, NAMESPACE]
OneLine = Annotated[str, ONE_LINE]
OpenFiles = Annotated[int, OPEN_FILES]
Owner = Annotated[str, OWNER]
PackageName = Annotated[str, PACKAGE_NAME]
Path = Annotated[str, PATH]
PathOrNothing = Annotated[str, PATH_OR_NOTHING]
Pattern = Annotated[str, PATTERN]
Port = Annotated[str, PORT]
PortNumber = Annotated[int, PORT_NUMBER]
Prefix = Annotated[str, PREFIX]
Reference = Annotated[str, REFERENCE]
Registry = Annotated[str, REGISTRY]
Release = Annotated[str, RELEASE]
Removable = Annotated[str, REMOVABLE]
RepositoryId = Annotated[str, REPOSITORY_ID]
Retries = Annotated[int, RETRIES]
ScenarioFile = Annotated[str, SCENARIO_FILE]
ScenarioName = Annotated[str, SCENARIO_NAME]
SetName = Annotated[str, SET_NAME]
Sha256 = Annotated[str, SHA256]
Signal = Annotated[str, SIGNAL]
Size = Annotated[str, SIZE]
Tag = Annotated[str, TAG]
Url = Annotated[str, URL]
UserName = Annotated[str, USER]
UserNumber = Annotated[int, UID]
