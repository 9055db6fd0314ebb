"""The library of dnf5: `libdnf5`."""

import re
from typing import Any

import libdnf5  # type: ignore[import-not-found]
from libdnf5.base import Goal, GoalJobSettings  # type: ignore[import-not-found]
from libdnf5.rpm import PackageQuery, PackageSet  # type: ignore[import-not-found]

from .solver_library import Job, Library, Package, Row, Unreachable, Unreadable

FAILURES = (libdnf5.exception.Error, RuntimeError)
AVAILABLE = libdnf5.repo.Repo.Type_AVAILABLE
ARRIVING = {
    libdnf5.transaction.TransactionItemAction_INSTALL,
    libdnf5.transaction.TransactionItemAction_UPGRADE,
    libdnf5.transaction.TransactionItemAction_DOWNGRADE,
}


class Dnf5(Library):
    """See `Library`."""

    def __init__(self, request: Row, work: str, root: str) -> None:
        try:
            self._base = _open(request, work, root)
        except FAILURES as error:
            raise Unreachable(error) from error
        self._sack = self._base.get_rpm_package_sack()
        super().__init__(map(_package, PackageQuery(self._base)))

    def hide(self, packages: Any) -> None:
        """See `Library.hide`."""
        self._sack.add_user_excludes(self._set(packages))

    def show(self, packages: Any) -> None:
        """See `Library.show`."""
        self._sack.remove_user_excludes(self._set(packages))

    def offers(self, name: str) -> bool:
        """See `Library.offers`."""
        return not self._asked_for(name).empty()

    def solve(self, job: Job) -> Any:
        """See `Library.solve`."""
        goal = Goal(self._base)
        for package in job.keep:
            goal.add_rpm_install(package.native, _settings(best=job.best))
        for package in job.any_version:
            goal.add_rpm_install(self._any_version(package), _settings(best=job.best))
        for package in job.optional:
            goal.add_rpm_install(self._any_version(package), _settings(best=job.best, optional=True))
        for package in job.erase:
            goal.add_rpm_remove(package.native, _settings())
        if job.update:
            goal.add_rpm_upgrade(_settings(best=job.best))
        for name in job.names:
            # Resolved here: the goal would take packages that obsolete it as well.
            goal.add_rpm_install(self._asked_for(name), _settings(best=job.best))
        found = goal.resolve()
        if found.get_problems() != libdnf5.base.GoalProblem_NO_PROBLEM:
            return [], list(_reasons(found))
        arriving = (item for item in found.get_transaction_packages() if item.get_action() in ARRIVING)
        return self.ours(item.get_package() for item in arriving), []

    def _asked_for(self, name: str) -> Any:
        query = PackageQuery(self._base)
        query.resolve_pkg_spec(name, _settings(), with_src=False)
        return query

    def _any_version(self, package: Package) -> Any:
        query = PackageQuery(self._base)
        query.filter_name([package.name])
        query.filter_arch([package.arch])
        return query

    def _set(self, packages: Any) -> Any:
        found = PackageSet(self._base)
        for package in packages:
            found.add(package.native)
        return found

    def _available(self) -> Any:
        query = PackageQuery(self._base)
        query.filter_available()
        return query

    def replaced(self, old: Package, new: Any) -> bool:
        """See `Library.replaced`."""
        query = PackageQuery(self._set(new))
        query.filter_obsoletes(self._set([old]))
        return not query.empty()

    def called(self, name: str, *, newest: bool) -> Any:
        """See `Library.called`."""
        query = self._available()
        query.filter_name([name])
        if newest:
            query.filter_latest_evr()
        return self.ours(query)

    def holding(self, path: str) -> Any:
        """See `Library.holding`."""
        query = self._available()
        query.filter_file([path])
        return self.ours(query)

    def describe(self, package: Package) -> Row:
        """See `Library.describe`."""
        item = package.native
        checksum = item.get_checksum()
        return package.row(
            item.get_repo_id(),
            (checksum.get_type_str(), checksum.get_checksum()),
            (item.get_location(), item.get_baseurl()),
            (item.get_download_size(), item.get_install_size()),
            (item.get_sourcerpm(), item.get_license()),
        )

    def folders(self) -> Row:
        """See `Library.folders`."""
        return {item.get_id(): item.get_cachedir() for item in _enabled(self._base)}

    def keys(self) -> Row:
        """See `Library.keys`."""
        return {item.get_id(): list(item.get_config().gpgkey) for item in _enabled(self._base)}

    def download(self, packages: Any, folder: str) -> Any:
        """See `Library.download`."""
        downloader = libdnf5.repo.PackageDownloader(self._base)
        for package in packages:
            downloader.add(package.native, folder)
        try:
            downloader.download()
        except FAILURES as error:
            raise Unreachable(error) from error
        return [(item, f"{folder}/{item.native.get_location().rpartition('/')[2]}") for item in packages]


# ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────


def _open(request: Row, work: str, root: str) -> Any:
    # Of packages that serve equally well the one that was loaded first is taken. Repositories are loaded as
    # their indices arrive, and by their ids when they are in the cache already: so all are fetched first.
    # (Before 5.4 chance decides in the cache as well.)
    fetched = _configured(request, work, root)
    for repository in _enabled(fetched):
        # What counts is what they hold now.
        repository.expire()
    fetched.get_repo_sack().load_repos(AVAILABLE)
    base = _configured(request, work, root)
    for repository in _enabled(base):
        repository.get_config().metadata_expire = -1
    if not root:
        base.get_repo_sack().load_repos(AVAILABLE)
        return base
    try:
        base.get_repo_sack().load_repos()
    except FAILURES as error:
        # The repositories were loaded before: it is the package database.
        raise Unreadable(root) from error
    return base


def _configured(request: Row, work: str, root: str) -> Any:
    """A base with the configuration of this host, if that is wanted, and the repositories of the request."""
    base = libdnf5.base.Base()
    conf = base.get_config()
    conf.installroot = root or work
    if request["host_repositories"]:
        conf.use_host_config = True
        base.load_config()
        base.enable_disable_plugins(["*"], enable=False)
        base.enable_disable_plugins(request["plugins"], enable=True)
    else:
        conf.plugins = False
        conf.varsdir = []
    conf.logdir = conf.system_state_dir = work
    conf.cachedir = conf.system_cachedir = request["cache"] or work
    # As with hawkey: all files of a package are known, and no package is protected.
    conf.optional_metadata_types = ["filelists"]
    conf.protected_packages = []
    conf.install_weak_deps = False
    base.setup()
    variables = base.get_vars()
    if request["release"] or not request["host_repositories"] or not variables.contains("releasever"):
        variables.set("releasever", request["release"])
    if request["host_repositories"]:
        base.get_repo_sack().create_repos_from_system_configuration()
    for repository in request["repositories"]:
        settings = base.get_repo_sack().create_repo(repository["id"]).get_config()
        settings.baseurl = [repository["url"]]
        if repository.get("login"):
            settings.username, settings.password = repository["login"]
    for repository in _enabled(base):
        repository.get_config().skip_if_unavailable = False
    return base


def _enabled(base: Any) -> Any:
    query = libdnf5.repo.RepoQuery(base)
    query.filter_enabled(enabled=True)
    query.filter_type(AVAILABLE)
    return query


def _settings(*, best: bool = False, optional: bool = False) -> Any:
    settings = GoalJobSettings()
    settings.set_with_binaries(with_binaries=False)
    for setting, wanted in ((settings.set_best, best), (settings.set_skip_broken, optional)):
        setting(libdnf5.base.GoalSetting_SET_TRUE if wanted else libdnf5.base.GoalSetting_SET_FALSE)
    settings.set_clean_requirements_on_remove(libdnf5.base.GoalSetting_SET_FALSE)
    return settings


def _reasons(found: Any) -> Any:
    """Why there is no solution, line by line."""
    for log in found.get_resolve_logs_as_strings():
        for line in log.splitlines():
            yield re.sub(r"^(Problem( \d+)?: |\s+- )", "", line)


def _package(item: Any) -> Package:
    evr = (item.get_epoch(), item.get_version(), item.get_release())
    return Package(item, item.get_name(), item.get_arch(), evr, item.is_installed())
