"""yum inside the image: for a base whose package database the host's rpm is too new for."""

from __future__ import annotations

from buildsys.packages.dnf import Dnf


class Yum(Dnf):
    """`plan/runtime/yum.sh`: the same verbs as dnf, run within the working container."""

    TOOLS: tuple[str, ...] = ("rpm", "rpmkeys", "rpm2archive")
    PREFIX = "yum"
