"""Sets to export: one with every instruction that a busybox can carry out."""

from __future__ import annotations

from pathlib import Path

from buildsys.exporters.request import Request
from buildsys.graph import ImageGraph
from buildsys.image import (
    Account,
    AppendFile,
    AppendLines,
    ChangeAccount,
    ChangeMode,
    ChangeOwner,
    CommentLines,
    CopyContext,
    CopyImage,
    CopyInside,
    DeclareAccounts,
    DisableRepository,
    Download,
    HealthCheck,
    Image,
    ImageSet,
    Instruction,
    MakeDirectory,
    MovePath,
    OciConfig,
    RemovePath,
    ReplaceLines,
    Require,
    Run,
    Symlink,
    Touch,
    WriteRepository,
)
from tests.plan.sets import BASE, image, image_set, site

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""A builder gives one to every image that has none."""
URL = "https://example.org/dumb-init"


def request(made: ImageSet, **more: object) -> Request:
    """All of a set."""
    return Request(set=made, names=ImageGraph(made.images).order(), **more)  # type: ignore[arg-type]


def data_set(directory: Path) -> ImageSet:
    """Every instruction that is data, with what is hard about it; writes the files it names."""
    files = {
        "files/one.conf": "one\n", "files/tree/a": "a\n", "files/tree/deep/b": "#!/bin/sh\n",
        "files/odd name$1": "odd\n", "download": "#!/bin/sh\necho init\n",
    }  # fmt: skip
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    (directory / "files/tree/deep/b").chmod(0o755)
    images = [_base(), _tools(), _every(), image("last", "every", Touch(paths=("/last",), mode="600"))]
    return image_set(directory, images, at=site(downloads={URL: str(directory / "download")}))


def _base() -> Image:
    accounts = (
        Account("kolla", 42400, 42400, "/home/kolla", "/usr/sbin/nologin"),
        Account("nova", 42436, 42436, "/var/lib/nova", "/usr/sbin/nologin", ("kolla",)),
    )
    return image(
        "base",
        BASE,
        DeclareAccounts(accounts=accounts),
        MakeDirectory(paths=("/usr/local/bin", "/etc/yum.repos.d"), mode="", owner=""),
        config=OciConfig(
            env={"PATH": PATH, "LANG": "C.UTF-8", "PS1": '$(id -un) "x" \\ $HOME'},
            cmd=("kolla_start", "a b"),
            user="nova",
            labels={"of": "base"},
        ),
    )


def _tools() -> Image:
    return image(
        "tools",
        BASE,
        MakeDirectory(paths=("/opt/tree/sub",), mode="750", owner=""),
        Touch(paths=("/opt/tool", "/opt/tree/sub/x"), mode="4755"),
        config=OciConfig(env={"PATH": PATH}, annotations={"org.example.x": "y z"}),
    )


def _every() -> Image:
    return image("every", "base", *_files(), *_copies(), *_edits(), config=_config())


def _files() -> tuple[Instruction, ...]:
    return (
        MakeDirectory(paths=("/var/log/kolla", "/srv/a b"), mode="2775", owner="kolla:kolla"),
        Touch(paths=("/srv/a b/it's", "/srv/x1", "/srv/x2", "/etc/passwd"), mode=""),
        ChangeMode(paths=("/srv/x*", "/srv/[a-b] b"), mode="711", recursive=False, optional=False),
        ChangeMode(paths=("/srv",), mode="u+rwx,go-w", recursive=True, optional=False),
        ChangeMode(paths=("/none/*", "/srv/x1"), mode="640", recursive=False, optional=True),
        ChangeOwner(paths=("/srv/x?",), owner="nova:", recursive=False, optional=False),
        ChangeOwner(paths=("/srv/a *", "/none"), owner="nova:kolla", recursive=True, optional=True),
        Symlink(link="/openstack/healthcheck", target="/usr/share/healthcheck", force=False),
        Symlink(link="/openstack/healthcheck", target="/usr/share/healthcheck", force=False),
        Symlink(link="/srv/x2", target="../it's", force=True),
        MakeDirectory(paths=("/gone/deep",), mode="", owner=""),
        RemovePath(paths=("/gone",), recursive=True, optional=False),
        RemovePath(paths=("/none*",), recursive=False, optional=True),
        RemovePath(paths=("/var/cache/yum/*",), recursive=True, optional=True),
        Touch(paths=("/moved",), mode="600"),
        # A builder makes the directory of a volume.
        MakeDirectory(paths=("/var/lib/x",), mode="", owner=""),
        MovePath(source="/moved", to="/new/place/moved too"),
    )


def _copies() -> tuple[Instruction, ...]:
    return (
        CopyContext(source="one.conf", to="/etc/", mode="", owner=""),
        CopyContext(source="tree", to="/opt/tree", mode="a+rx", owner="nova:kolla"),
        CopyContext(source="tree", to="/opt/", mode="", owner=""),
        CopyContext(source="odd name$1", to="/opt/odd/$HOME [x]", mode="600", owner="nova"),
        CopyImage(image="tools", source="/opt/tool", to="/opt/", mode="", owner=""),
        CopyImage(image="tools", source="/opt/tree", to="/opt/other", mode="", owner=""),
        CopyImage(image="tools", source="/opt/tool", to="/opt/mine", mode="600", owner="nova"),
        CopyInside(source="/etc/one.co*", to="/opt/conf/", preserve=True, optional=False),
        CopyInside(source="/opt/conf", to="/opt/conf2", preserve=False, optional=True),
        CopyInside(source="/none/*", to="/none2/", preserve=True, optional=True),
        Download(url=URL, sha256="", to="/usr/local/bin/", mode="+x"),
    )


def _edits() -> tuple[Instruction, ...]:
    shown = "/etc/shown.conf"
    return (
        AppendLines(
            file=shown, lines=("Listen 80", "", "user=me", "Defaults  x,\ty", "two\nlines", "END $x")
        ),
        Run(argv=("/bin/sh", "-c", "printf 'no end' >>/etc/shown.conf"), open_files=0),
        AppendLines(file=shown, lines=("# after",)),
        AppendFile(file=shown, source="/etc/one.conf"),
        CommentLines(file=shown, pattern="^Listen 80$", optional=False),
        CommentLines(file=shown, pattern="^nothing$", optional=True),
        CommentLines(file="/none", pattern="^nothing$", optional=True),
        ReplaceLines(file=shown, pattern="^user=(.*)", replacement=r"user=it's \1 & $HOME", optional=False),
        ReplaceLines(file=shown, pattern="^two$", replacement="2\n3", optional=False),
        Require(file=shown, pattern="^#Listen [0-9]+$"),
        WriteRepository(file="/etc/yum.repos.d/a.repo", id="a", options=(("name", "a b"), ("enabled", "1"))),
        WriteRepository(file="/etc/yum.repos.d/a.repo", id="c", options=(("name", "c"),)),
        DisableRepository(id="a", optional=False),
        DisableRepository(id="c", optional=False),
        DisableRepository(id="b", optional=True),
        ChangeAccount(name="nova", home="/home/nova", shell="", groups=("kolla", "root")),
        Run(argv=("/bin/sh", "-ec", "a='b'\ncat >/ran <<'END'\n$a # b\nEND\nid -u >>/ran\n"), open_files=0),
        Run(argv=("/bin/sh", "-c", "ulimit -n >/limit; echo $LANG >>/limit"), open_files=256),
    )


def _config() -> OciConfig:
    return OciConfig(
        entrypoint=("dumb-init", "--", "$x"),
        env={"A": "", "B": "a  b"},
        labels={"name": "every", "comma": 'a,"b"=c $d'},
        healthcheck=HealthCheck(
            ("CMD-SHELL", "/openstack/healthcheck 'a  b' | cat && echo $HOME"), 30, 5, 0.5, 3
        ),
        stop_signal="SIGTERM",
        volumes=("/var/lib/x",),
        ports=("8774/tcp",),
        workdir="/srv",
    )
