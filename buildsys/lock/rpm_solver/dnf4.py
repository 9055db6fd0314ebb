"""The library of dnf 4: `dnf` for configuration and repositories, `hawkey` for packages and solutions."""

import logging
from typing import Any

import dnf  # type: ignore[import-not-found]
import dnf.rpm  # type: ignore[import-not-found]
import hawkey  # type: ignore[import-not-found]

from .solver_library import Job, Library, Package, Row, Unreachable, Unreadable


class _Hearing(logging.Handler):
    """Messages that dnf writes only to its log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(record.getMessage())


_HEARD = _Hearing()
logging.getLogger("dnf").addHandler(_HEARD)


class Dnf4(Library):
    """See `Library`."""

    def __init__(self, request: Row, work: str, root: str) -> None:
        try:
            self._base = _open(request, work, root)
        except dnf.exceptions.Error as error:
            raise Unreachable(error, _HEARD.lines) from error
        self._sack = self._base.sack
        super().__init__(map(_package, hawkey.Query(self._sack)))

    def hide(self, packages: Any) -> None:
        """See `Library.hide`."""
        self._sack.add_excludes([item.native for item in packages])

    def show(self, packages: Any) -> None:
        """See `Library.show`."""
        self._sack.remove_excludes([item.native for item in packages])

    def offers(self, name: str) -> bool:
        """See `Library.offers`."""
        return bool(hawkey.Subject(name).get_best_query(self._sack))

    def solve(self, job: Job) -> Any:
        """See `Library.solve`."""
        goal = hawkey.Goal(self._sack)
        for package in job.keep:
            goal.install(package.native)
        for package in job.any_version:
            goal.install(select=self._any_version(package))
        for package in job.optional:
            goal.install(select=self._any_version(package), optional=True)
        for package in job.erase:
            goal.erase(package.native)
        if job.update:
            goal.upgrade_all()
        for name in job.names:
            # A package that is asked for by its name is that one, not one that obsoletes it.
            goal.install(select=hawkey.Subject(name).get_best_selector(self._sack, obsoletes=False))
        if not goal.run(ignore_weak_deps=True, force_best=job.best):
            return [], [line for rule in goal.problem_rules() for line in rule]
        return self.ours([*goal.list_installs(), *goal.list_upgrades(), *goal.list_downgrades()]), []

    def _any_version(self, package: Package) -> Any:
        return hawkey.Selector(self._sack).set(name=package.name, arch=package.arch)

    def replaced(self, old: Package, new: Any) -> bool:
        """See `Library.replaced`."""
        query = hawkey.Query(self._sack).filterm(pkg=[item.native for item in new])
        return bool(query.filterm(obsoletes=[old.native]))

    def called(self, name: str, *, newest: bool) -> Any:
        """See `Library.called`."""
        found = hawkey.Query(self._sack).available().filterm(name=name)
        return self.ours(found.latest() if newest else found)

    def holding(self, path: str) -> Any:
        """See `Library.holding`."""
        return self.ours(hawkey.Query(self._sack).available().filterm(file=path))

    def describe(self, package: Package) -> Row:
        """See `Library.describe`."""
        item = package.native
        kind, value = item.returnIdSum()
        place, sizes = (item.location, item.baseurl), (item.downloadsize, item.installsize)
        return package.row(item.reponame, (kind, value), place, sizes, (item.sourcerpm, item.license))

    def folders(self) -> Row:
        """See `Library.folders`."""
        return {item.id: item._repo.getCachedir() for item in self._base.repos.iter_enabled()}  # noqa: SLF001

    def keys(self) -> Row:
        """See `Library.keys`."""
        return {item.id: list(item.gpgkey) for item in self._base.repos.iter_enabled()}

    def download(self, packages: Any, folder: str) -> Any:
        """See `Library.download`."""
        for repository in self._base.repos.iter_enabled():
            repository.pkgdir = folder
        try:
            self._base.download_packages([item.native for item in packages])
        except dnf.exceptions.Error as error:
            raise Unreachable(error) from error
        return [(item, item.native.localPkg()) for item in packages]


def _open(request: Row, work: str, root: str) -> Any:
    base = dnf.Base()
    conf = base.conf
    if request["host_repositories"]:
        conf.read()
        conf.substitutions.update_from_etc("/")
        base.init_plugins(["*"], request["plugins"])
        base.pre_configure_plugins()
    conf.installroot = root or work
    conf.logdir = conf.persistdir = work
    conf.cachedir = request["cache"] or work
    conf.install_weak_deps = False
    if hasattr(conf, "optional_metadata_types"):
        # Files of packages are known to older versions always, to newer ones when somebody says so.
        conf.optional_metadata_types = ["filelists"]
    release = request["release"] or (request["host_repositories"] and dnf.rpm.detect_releasever("/"))
    conf.substitutions["releasever"] = release or ""
    if request["host_repositories"]:
        base.read_all_repos()
        base.configure_plugins()
    else:
        conf.reposdir = []
        conf.plugins = False
    for repository in request["repositories"]:
        login = dict(zip(("username", "password"), repository.get("login") or (), strict=False))
        base.repos.add_new_repo(repository["id"], conf, baseurl=[repository["url"]], **login)
    # By their ids, as dnf5 does: of packages that serve equally well the one that was loaded first is taken.
    for name in sorted(base.repos):
        base.repos[name] = base.repos.pop(name)
    for repository in base.repos.iter_enabled():
        # What counts is what they hold now.
        repository._repo.expire()  # noqa: SLF001
        repository.skip_if_unavailable = False
    try:
        base.fill_sack(load_system_repo=bool(root))
    except OSError as error:
        raise Unreadable(root) from error
    return base


def _package(item: Any) -> Package:
    return Package(item, item.name, item.arch, (item.epoch, item.version, item.release), item.installed)
