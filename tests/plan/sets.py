"""Resolved image sets made in Python: short to write, and one that holds every kind of instruction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from buildsys.diagnostics import Spot
from buildsys.image import (
    Account,
    AppendFile,
    AppendLines,
    BaseImage,
    Bootstrap,
    ChangeAccount,
    ChangeMode,
    ChangeOwner,
    CommentLines,
    Containerfile,
    CopyContext,
    CopyImage,
    CopyInside,
    CopyPayload,
    DeclareAccounts,
    DisableRepository,
    Download,
    EmptyRoot,
    Format,
    HealthCheck,
    Image,
    ImageReference,
    ImageSet,
    ImportKey,
    Install,
    InstallGems,
    Instruction,
    LockedPackage,
    MakeDirectory,
    MovePath,
    NamedImage,
    OciConfig,
    OtherImage,
    PackageName,
    ParentImage,
    RemovePath,
    ReplaceLines,
    Repository,
    Require,
    Run,
    Site,
    Symlink,
    Touch,
    Transaction,
    Uninstall,
    UpdateAll,
    WriteRepository,
)

EPOCH = 1517443200
BUSYBOX = "localhost/busybox:1"
"""The base image that tests put into their stores."""
BASE = BaseImage(BUSYBOX)


def image(
    name: str,
    parent: str | EmptyRoot | BaseImage,
    *instructions: Instruction,
    config: OciConfig | None = None,
) -> Image:
    """An image; each instruction without a Spot gets one of its own: its line in the image's recipe."""
    recipe = f"recipes/tiny/images/{name}.yaml"
    placed = tuple(
        replace(step, spot=Spot(recipe, line, 5)) if step.spot.line == 0 else step
        for line, step in enumerate(instructions, 4)
    )
    return Image(
        name,
        ImageReference("localhost", "tests", "t-", name, "1"),
        ParentImage(parent) if isinstance(parent, str) else parent,
        placed,
        config or OciConfig(),
        spot=Spot(recipe, 1, 8),
        parent_spot=Spot(recipe, 2, 7),
    )


def site(
    installer: str = "dnf",
    *,
    repositories: tuple[Repository, ...] = (),
    downloads: Mapping[str, str] | None = None,
    gems: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    locked: bool = False,
) -> Site:
    """A site, by default one that offers nothing."""
    return Site(
        name="none",
        installer=installer,
        inside=installer == "yum",
        repositories=repositories,
        host_repositories=False,
        downloads=downloads or {},
        gems=gems,
        stand_ins=False,
        locked=locked,
        notes=notes,
    )


def image_set(
    directory: Path,
    images: Iterable[Image],
    *,
    form: Format = "docker",
    at: Site | None = None,
    epoch: int = EPOCH,
) -> ImageSet:
    """A set of these images; `directory` holds its `files/`."""
    return ImageSet("tiny", form, epoch, str(directory), at or site(), {item.name: item for item in images})


def package(name: str, recipe: str = "every", line: int = 9) -> PackageName:
    """A package and where it was asked for."""
    return PackageName(name, Spot(f"recipes/tiny/images/{recipe}.yaml", line, 12))


def locked(name: str) -> LockedPackage:
    """A package of a lock."""
    return LockedPackage(
        name, "0", "1.0", "1", "noarch", "os", "sha256:" + "5" * 64, f"p/{name}-1.0-1.noarch.rpm"
    )


def every_kind(directory: Path, *, under_lock: bool = False) -> ImageSet:
    """A set with every kind of instruction and every part of a configuration; writes the files it names."""
    tools = image("tools", "base", Touch(paths=("/opt/tool",), mode="755"))
    at = site(
        repositories=(Repository("os", str(directory / "repo"), "", str(directory / "key"), "c" * 64),),
        downloads={"https://example.org/dumb-init": str(directory / "download")},
        gems=(str(directory / "fluentd-0.12.2.gem"),),
        notes=("made for tests",),
        locked=under_lock,
    )
    names = ("files/one.conf", "files/tree/a", "files/tree/deep/b", "repo/p/tree-1.0-1.noarch.rpm", "key")
    for name in (
        *names,
        "repo/p/filesystem-1.0-1.noarch.rpm",
        "repo/p/along-1.0-1.noarch.rpm",
        "download",
        "fluentd-0.12.2.gem",
    ):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(f"{name}\n")
    (directory / "files/tree/deep/b").chmod(0o755)
    given = _given(directory / "containerfiles/given")
    (directory / "files/one.conf").chmod(0o644)
    (directory / "files/tree/a").chmod(0o644)
    return image_set(directory, [_base(under_lock), tools, _every(under_lock), given], at=at)


def _given(folder: Path) -> Image:
    """An image with a Containerfile, a program, a link and an empty folder beside it; writes them."""
    text = "FROM base\nCOPY --from=localhost/tests/t-tools:1 /opt/tool /\nCOPY --from=example.org/a /a /b\n"
    (folder / "empty").mkdir(parents=True, exist_ok=True)
    (folder / "Containerfile").write_text(text)
    (folder / "Containerfile").chmod(0o644)
    (folder / "it's a program").write_text("#!/bin/sh\n")
    (folder / "it's a program").chmod(0o755)
    if not (folder / "link").is_symlink():
        (folder / "link").symlink_to("it's a program")
    spots = tuple(Spot("recipes/tiny/containerfiles/given/Containerfile", line, 1) for line in (1, 2, 3))
    step = Containerfile(
        folder=str(folder),
        name="Containerfile",
        text=text,
        lines=(
            ("FROM", "base"),
            ("COPY", "--from=localhost/tests/t-tools:1 /opt/tool /"),
            ("COPY", "--from=example.org/a /a /b"),
        ),
        images=(
            NamedImage("base", "base", spots[0], ((1, 6),)),
            NamedImage("localhost/tests/t-tools:1", "tools", spots[1], ((2, 13),)),
        ),
        others=(OtherImage("example.org/a", "example.org/a", spots[2], ((3, 13),)),),
        arguments=(("VERSION", "1 2"),),
        dated=True,
        network=True,
        spots=spots,
    )
    return image("given", "base", step, config=OciConfig(labels={"a": "b"}, annotations={"c": "d"}))


def _base(under_lock: bool) -> Image:  # noqa: FBT001 - which of two variants
    first: Instruction = Bootstrap(packages=(package("filesystem", "base", 3),))
    if under_lock:
        first = Transaction(packages=(locked("filesystem"),), requested=(package("filesystem", "base", 3),))
    accounts = DeclareAccounts(
        accounts=(
            Account("kolla", 42400, 42400, "/home/kolla", "/usr/sbin/nologin"),
            Account("nova", 42436, 42436, "/var/lib/nova", "/usr/sbin/nologin", ("kolla",)),
        )
    )
    return image("base", EmptyRoot(), first, accounts, config=OciConfig(env={"LANG": "C.UTF-8"}))


def _every(under_lock: bool) -> Image:  # noqa: FBT001 - which of two variants
    asked = (package("tree"), package("it's", line=10))
    install: tuple[Instruction, ...] = (Install(packages=asked), UpdateAll())
    if under_lock:
        install = (Transaction(packages=(locked("tree"), locked("along")), requested=asked),)
    payload = CopyPayload(
        package=package("tree"),
        source="/usr/share/tree/x",
        to="/opt/x",
        mode="755",
        owner="",
        locked=locked("tree") if under_lock else None,
    )
    return image(
        "every",
        "base",
        WriteRepository(file="/etc/yum.repos.d/a.repo", id="a", options=(("name", "a b"), ("enabled", "1"))),
        MakeDirectory(paths=("/var/log/kolla", "/srv/a b"), mode="2775", owner="kolla:kolla"),
        *install,
        DisableRepository(id="a", optional=False),
        DisableRepository(id="b", optional=True),
        ImportKey(path="/etc/pki/key"),
        Uninstall(packages=(package("tree"),), optional=False),
        Uninstall(packages=(package("none"),), optional=True),
        InstallGems(gems=("fluentd:0.12.2",), flags=("--no-rdoc", "--no-ri"), open_files=1024),
        CopyContext(source="one.conf", to="/etc/", mode="", owner=""),
        CopyContext(source="tree", to="/opt/tree", mode="640", owner="nova"),
        CopyImage(image="tools", source="/opt/tool", to="/opt/", mode="", owner="root"),
        payload,
        CopyInside(source="/etc/*.conf", to="/opt/conf/", preserve=True, optional=True),
        ChangeMode(paths=("/etc/sudoers.d",), mode="750", recursive=True, optional=False),
        ChangeOwner(paths=("/var/lib/nova", "/srv/*"), owner="nova:", recursive=False, optional=True),
        Symlink(link="/openstack/healthcheck", target="/usr/share/healthcheck", force=False),
        Symlink(link="/bin/x", target="y", force=True),
        Touch(paths=("/made", "/made too"), mode=""),
        RemovePath(paths=("/etc/httpd/conf.d/*.conf",), recursive=False, optional=False),
        RemovePath(paths=("/tmp/kolla",), recursive=True, optional=True),
        MovePath(source="/a", to="/b"),
        CommentLines(file="/etc/httpd.conf", pattern="^Listen 80$", optional=False),
        ReplaceLines(file="/etc/my.cnf", pattern="^user=(.*)", replacement=r"user=it's \1", optional=True),
        AppendLines(file="/etc/sudoers", lines=("one", "", "Defaults  x,\ty", "two\nlines", "END")),
        AppendFile(file="/etc/bashrc", source="/tmp/kolla_bashrc"),
        Require(file="/etc/system-release", pattern="release 7"),
        Download(url="https://example.org/dumb-init", sha256="", to="/usr/local/bin/dumb-init", mode="755"),
        ChangeAccount(name="nova", home="/home/nova", shell="", groups=("kolla",)),
        Run(argv=("/bin/sh", "-ec", "a  'b'\n    cat <<'END'\nc\nEND\n"), open_files=0),
        Run(argv=("mkpasswd", "*"), open_files=4096),
        config=OciConfig(
            user="nova",
            cmd=("kolla_start", "a b"),
            entrypoint=("dumb-init", "--"),
            env={"PS1": '$(id -un) "x"', "A": ""},
            labels={"name": "every", "comma": "a,b=c"},
            annotations={"org.example.x": "y"},
            healthcheck=HealthCheck(("CMD-SHELL", "/openstack/healthcheck 'a  b'"), 30, 5, 0.5, 3),
            stop_signal="SIGTERM",
            volumes=("/var/lib/x",),
            ports=("8774/tcp",),
            workdir="/srv",
        ),
    )
