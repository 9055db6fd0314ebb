"""Import kolla-build.conf: accounts and the maintainer; for other options, report where they belong."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping

from buildsys.diagnostics import Code, Diagnostic, Refused, Spot
from buildsys.image import Account, DeclareAccounts
from buildsys.importers.kolla.common import give_all
from buildsys.importers.kolla.lists import Target
from buildsys.importers.kolla.sources import Archives
from buildsys.importers.overlay_text import Changes, Overlay, untaken
from buildsys.recipe.document import read_text

_BELONGS = {
    "it is the set's: set.yaml says it, or `publish` and `export` with options of their own":
        "docker_registry image_name_prefix namespace openstack_branch openstack_release registry tag",
    "a site says where packages and base images come from: sites/NAME.yaml":
        "apt_sources_list base base_arch base_image base_package_type base_tag clean_package_cache "
        "distro_package_manager distro_python_version locals_base platform repos_yaml rpm_setup_config "
        "tarballs_base use_dumb_init yum_repos",
    "it is about a run of kolla-build, and no image depends on it":
        "allowed_to_fail build_args cache ca_certs config_file debug docker_dir docker_healthchecks engine "
        "engine_config format ignore_missing keep list_dependencies list_images logs_dir network_mode "
        "nocache patches_path profile pull push push_threads quiet regex retries save_dependency "
        "skip_existing skip_parents squash squash_cleanup squash_tmp_dir summary summary_json_file "
        "template_only template_override threads timeout use_colors verbose work_dir",
}  # fmt: skip
_CALLED = {"base": "base_distro", "base_tag": "base_distro_tag", "type": "install_type"}
_TEMPLATED = {
    "base", "base_arch", "base_package_type", "base_tag", "install_type", "maintainer", "namespace",
    "openstack_release", "tag", "type",
}  # fmt: skip
"""Options that templates read as variables."""
_WHERE = {name: why for why, names in _BELONGS.items() for name in names.split()}
_SECTION = re.compile(r"\s*\[(.+)\]")


def turn_configuration(
    file: str, target: Target, overlay: Overlay, archives: Archives, found: list[Diagnostic]
) -> dict[str, str]:
    """Import a kolla-build.conf; return the values that it gives to variables of templates.

    Raises:
        Refused: it cannot be read, or is not such a file (`kolla-syntax`).
    """
    text = read_text(file)
    # No section passes its values on to others, and `%` is a plain character.
    parser = configparser.RawConfigParser(default_section="", strict=False, allow_no_value=True)
    try:
        parser.read_string(text, file)
    except (configparser.Error, AttributeError) as error:
        # An AttributeError is the library's own for an indented line below a name without a value.
        line = getattr(error, "lineno", 0) or next((line for line, _ in getattr(error, "errors", ())), 1)
        message = "this is not a configuration: sections, and NAME = VALUE below them"
        raise Refused([Diagnostic(Spot(file, line), Code.KOLLA_SYNTAX, message)]) from error
    places = dict(_places(text, file))
    reader = _Reader(target, overlay, archives, found)
    for section in parser.sections():
        values = {name: value or "" for name, value in parser[section].items()}
        at = {name: places.get((section, name), places[section, ""]) for name in ("", *values)}
        reader.take(section, values, at)
    given = parser["DEFAULT"] if parser.has_section("DEFAULT") else {}
    return {_CALLED.get(name, name): value for name, value in given.items() if name in _TEMPLATED and value}


def _places(text: str, file: str) -> Iterator[tuple[tuple[str, str], Spot]]:
    """Yield the place of each section and name; of a repeated name, the last place counts."""
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        spot = Spot(file, number, len(line) - len(line.lstrip()) + 1)
        if match := _SECTION.match(line):
            section = match[1]
            yield (section, ""), spot
        elif line.strip() and not line[0].isspace() and line[0] not in "#;":
            name = re.split(r"[=:]", line, maxsplit=1)[0].strip().lower()
            yield (section, name), spot


Places = Mapping[str, Spot]
"""Name -> place in a section; the section itself has the empty name."""


class _Reader:
    """Imports one section after another."""

    def __init__(self, target: Target, overlay: Overlay, archives: Archives, found: list[Diagnostic]) -> None:
        self._target = target
        self._archives = archives
        self._overlay = overlay
        self._found = found

    def take(self, section: str, values: Mapping[str, str], at: Places) -> None:
        if section == "DEFAULT":
            self._defaults(values, at)
        elif section.endswith("-user"):
            self._account(section.removesuffix("-user"), values, at)
        elif section == "profiles":
            for name in values:
                hint = "write it in set.yaml: profiles:"
                self._refuse(at[name], f"the profile '{name}'", "profiles are the set's", hint)
        else:
            self._source(section, values, at)

    def _refuse(self, spot: Spot, what: str, why: str, hint: str = "") -> None:
        self._found.append(untaken(spot, what, why, hint))

    def _defaults(self, values: Mapping[str, str], at: Places) -> None:
        for name, value in values.items():
            if name == "maintainer" and value:
                label = Changes()
                label.merge("labels", name, value, at[name])
                give_all(label, f"'{name}'", self._target, self._overlay, self._found)
            elif name not in {"install_type", "type"}:
                self._refuse(at[name], f"'{name}'", _WHERE.get(name, "nothing is known of what it does"))
            elif value != "binary":
                why = "images are made of packages, as with install_type = binary"
                self._refuse(at[name], f"{name} = {value}", why, "package what is built from sources")

    def _account(self, name: str, values: Mapping[str, str], at: Places) -> None:
        what = f"the account '{name}'"
        declared = [*_declared(name, self._target)]
        if not self._target.images:
            hint = "say which set it is for: --set SET"
            self._refuse(at[""], what, "which image has it is known only with the set", hint)
            return
        if not declared:
            self._refuse(at[""], what, "the set declares no such account")
            return
        for key in values.keys() - {"uid", "gid"}:
            self._refuse(at[key], f"'{key}' of {what}", "only uid and gid are taken")
        numbers = {key: values[key] for key in ("uid", "gid") if key in values}
        for key, value in numbers.items():
            if not re.fullmatch("[0-9]+", value):
                self._refuse(at[key], what, f"'{value}' is not a number")
                return
        for image, account in declared:
            uid, gid = int(numbers.get("uid", account.uid)), int(numbers.get("gid", account.gid))
            if (uid, gid) != (account.uid, account.gid):
                keys = {"uid": uid, "gid": gid, "home": account.home, "shell": account.shell}
                groups = {"groups": list(account.groups)} if account.groups else {}
                self._overlay.image(image).merge("accounts", name, keys | groups, at[""])

    def _source(self, section: str, values: Mapping[str, str], at: Places) -> None:
        if not self._archives.add(section, values, at[""]):
            origin = " ".join(["", "from", *values["location"].split()]) if values.get("location") else ""
            hint = "package it, and give the site its repository"
            self._refuse(at[""], f"the source '{section}'{origin}", "it is not a package", hint)


def _declared(name: str, target: Target) -> Iterator[tuple[str, Account]]:
    """Yield the images that declare an account."""
    for image in target.images.values():
        for step in image.instructions:
            if isinstance(step, DeclareAccounts):
                yield from ((image.name, account) for account in step.accounts if account.name == name)
