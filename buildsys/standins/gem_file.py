"""Tiny Ruby gems, byte for byte equal wherever they are built."""

from __future__ import annotations

import hashlib
import io
import tarfile
from datetime import UTC, datetime

from .stored_gzip import stored_gzip


def gem(name: str, version: str, epoch: int) -> bytes:
    """The bytes of a gem: a tar file with compressed metadata, compressed data and their checksums.

    `epoch` is the time of its files in seconds since 1970.
    """
    library = f"# A stand-in for the gem {name} {version}.\n".encode()
    members = {
        "metadata.gz": stored_gzip(_metadata(name, version, epoch).encode()),
        "data.tar.gz": stored_gzip(_tar({f"lib/{name}.rb": library}, epoch)),
    }
    lines = ["---"]
    for algorithm in ("SHA256", "SHA512"):
        lines.append(f"{algorithm}:")
        lines += [
            f"  {file}: {hashlib.new(algorithm, content).hexdigest()}" for file, content in members.items()
        ]
    members["checksums.yaml.gz"] = stored_gzip("\n".join([*lines, ""]).encode())
    return _tar(members, epoch)


def _metadata(name: str, version: str, epoch: int) -> str:
    """The specification in RubyGems' YAML."""
    day = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d 00:00:00.000000000 Z")
    return f"""--- !ruby/object:Gem::Specification
name: {name}
version: !ruby/object:Gem::Version
  version: {version}
platform: ruby
authors:
- buildsys
date: {day}
dependencies: []
description: A stand-in for {name}, not {name} itself.
email: []
executables: []
extensions: []
extra_rdoc_files: []
files:
- lib/{name}.rb
homepage:
licenses:
- Apache-2.0
metadata: {{}}
require_paths:
- lib
required_ruby_version: !ruby/object:Gem::Requirement
  requirements:
  - - ">="
    - !ruby/object:Gem::Version
      version: '0'
required_rubygems_version: !ruby/object:Gem::Requirement
  requirements:
  - - ">="
    - !ruby/object:Gem::Version
      version: '0'
requirements: []
rubygems_version: 2.0.14.1
signing_key:
specification_version: 4
summary: A stand-in for {name}
test_files: []
"""


def _tar(members: dict[str, bytes], epoch: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in members.items():
            info = tarfile.TarInfo(path)
            info.size, info.mtime, info.mode = len(content), epoch, 0o644
            info.uname = info.gname = "root"
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()
