"""Every flag of the reference of Dockerfiles, with every instruction: understood or refused, in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildsys.diagnostics import Refused
from buildsys.recipe.containerfile_reader import read_containerfile
from buildsys.recipe.scan import WORDS

UNDERSTOOD = {
    "FROM": ["--platform=linux/amd64"],
    "RUN": [
        "--mount=type=bind,target=/m", "--mount=from=other,source=/a,dst=/m,ro",
        "--mount=type=cache,target=/c",
        "--mount=type=cache,target=/c,id=x,sharing=private,rw,mode=700,uid=1,gid=2",
        "--mount=type=tmpfs,target=/t,size=64m", "--mount=type=secret,id=token,required,target=/t,mode=400",
        "--network=default", "--network=none", "--security=sandbox",
    ],
    "COPY": ["--from=other", "--chown=1:2", "--chmod=755", "--link", "--link=false"],
    "ADD": ["--chown=a:b", "--chmod=0644", "--link"],
    "HEALTHCHECK": ["--interval=1s", "--timeout=1s", "--start-period=1s", "--retries=2"],
}  # fmt: skip
REFUSED = {
    "RUN": [
        "--network=host", "--network", "--security=insecure", "--device=all", "--mount=type=ssh",
        "--mount=type=npipe,target=/a", "--mount=type=secret,id=a,env=B", "--mount=type=secret,target=/a/b",
        "--mount=type=bind", "--mount=type=bind,target=m", "--mount=type=cache,target=/a,size=1",
        "--mount=type=tmpfs,target=/a,source=b",
    ],
    "COPY": ["--parents", "--exclude=*.md", "--chmod=u+x", "--chown", "--link=2"],
    "ADD": ["--checksum=sha256:00", "--keep-git-dir=true", "--exclude=a", "--unpack=true", "--from=a"],
    "HEALTHCHECK": ["--start-interval=1s", "--interval=$I", "--timeout=3", "--retries=many"],
}  # fmt: skip
NAMES = {
    flag.partition("=")[0] for known in (UNDERSTOOD, REFUSED) for many in known.values() for flag in many
}
BEHIND = {
    "ADD": "a /b", "ARG": "A=b", "CMD": '["a"]', "COPY": "a /b", "ENTRYPOINT": '["a"]', "ENV": "A=b",
    "EXPOSE": "80",
    "FROM": "base", "HEALTHCHECK": "CMD true",
    "LABEL": "a=b", "MAINTAINER": "me", "ONBUILD": "RUN true",
    "RUN": "true", "SHELL": '["/bin/sh", "-c"]', "STOPSIGNAL": "TERM", "USER": "a", "VOLUME": "/v",
    "WORKDIR": "/w",
}  # fmt: skip
TEXTS = {"CMD", "ENTRYPOINT", "ARG"}
"""What follows them may begin with two dashes."""


def place(tmp_path: Path, word: str, flag: str) -> str:
    """Where a flag is refused, or `understood`."""
    path = tmp_path / "Containerfile"
    before = "" if word == "FROM" else "FROM base\n"
    path.write_text(f"{before}{word} {flag} {BEHIND[word]}\n")
    try:
        found = read_containerfile(path)
    except Refused as refused:
        (mistake,) = refused.diagnostics
        assert mistake.code == "containerfile-flag"
        assert mistake.hint
        return f"{mistake.spot.line}:{mistake.spot.column}"
    assert found.text == path.read_text()
    return "understood"


@pytest.mark.parametrize(("word", "flag"), [(word, flag) for word in UNDERSTOOD for flag in UNDERSTOOD[word]])
def test_what_is_understood(tmp_path: Path, word: str, flag: str) -> None:
    assert place(tmp_path, word, flag) == "understood"


@pytest.mark.parametrize(("word", "flag"), [(word, flag) for word in REFUSED for flag in REFUSED[word]])
def test_what_is_refused(tmp_path: Path, word: str, flag: str) -> None:
    assert place(tmp_path, word, flag) == f"2:{len(word) + 2}"


@pytest.mark.parametrize("word", sorted(set(WORDS) - TEXTS))
def test_no_flag_of_another_instruction_is_passed_over(tmp_path: Path, word: str) -> None:
    own = {flag.partition("=")[0] for known in (UNDERSTOOD, REFUSED) for flag in known.get(word, ())}
    for name in sorted(NAMES - own):
        assert place(tmp_path, word, f"{name}=1") == f"{1 if word == 'FROM' else 2}:{len(word) + 2}"


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("COPY --parents a b", "2:14 containerfile-flag"),
        ("run --network=host a", "2:13 containerfile-flag"),
        ("FROM a", "2:1 containerfile-syntax"), ("ONBUILD RUN a", "2:1 containerfile-syntax"),
        ("RUNN a", "2:1 containerfile-syntax"), ("RUN <<A", "2:1 containerfile-syntax"),
    ],
)  # fmt: skip
def test_triggers_are_instructions_as_well(tmp_path: Path, trigger: str, said: str) -> None:
    (tmp_path / "Containerfile").write_text(f"FROM base\nONBUILD {trigger}\n")
    with pytest.raises(Refused) as refused:
        read_containerfile(tmp_path / "Containerfile")
    (mistake,) = refused.value.diagnostics
    assert f"{mistake.spot.line}:{mistake.spot.column} {mistake.code}" == said


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("COPY --link --chown=1 a /b", "COPY  --chown=1 a /b"),
        ("RUN --security=sandbox --mount=from=m,target=/a true",
         "RUN  --mount=type=bind,from=read/m,target=/a true"),
        ("RUN --mount=type=tmpfs,size=1m,target=/a true", "RUN --mount=type=tmpfs,target=/a true"),
        ("COPY \\\n  --link \\\n  a /b", "COPY \\\n   \\\n  a /b"),
        ("RUN echo --link", "RUN echo --link"),
        ("ONBUILD COPY --link a b", "ONBUILD COPY  a b"),
    ],
)  # fmt: skip
def test_what_the_builder_is_given(tmp_path: Path, text: str, plain: str) -> None:
    (tmp_path / "Containerfile").write_text(f"FROM base\n{text}\n")
    assert read_containerfile(tmp_path / "Containerfile").plain == f"FROM read/base\n{plain}\n"
