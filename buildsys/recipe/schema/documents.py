"""The five files of an image set as they are written: recipe, trait, set.yaml, site, overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Tag

from buildsys.packages import MANAGERS
from buildsys.recipe.schema import types
from buildsys.recipe.schema.base import Maybe, Model
from buildsys.recipe.schema.steps import Step
from buildsys.recipe.schema.tests import HealthCheckKey, ImageTest


class Account(Model):
    """An account with fixed numbers."""

    uid: types.UserNumber
    gid: Maybe[types.GroupNumber] = None
    home: Maybe[types.Path] = None
    shell: Maybe[types.Path] = None
    groups: Maybe[list[types.AccountName]] = None


class RepositoryFile(Model):
    """A repository file written into the image."""

    file: types.Path
    options: dict[str, types.OneLine]


def _use(value: Any) -> Any:
    return {value: None} if isinstance(value, str) else value


Use = Annotated[dict[str, Any], BeforeValidator(_use, json_schema_input_type=str | dict[str, Any])]
"""A trait by name, or `{name: parameters}`; the latter afterwards."""


class Fragment(Model):
    """The keys that recipes, traits and `common` share."""

    uses: Maybe[list[Use]] = None
    accounts: Maybe[dict[types.AccountName, Account]] = None
    repositories: Maybe[dict[types.RepositoryId, RepositoryFile]] = None
    before: Maybe[list[Step]] = None
    packages: Maybe[list[types.PackageName]] = None
    steps: Maybe[list[Step]] = None
    user: Maybe[types.UserName] = None
    cmd: Maybe[list[str]] = None
    entrypoint: Maybe[list[str]] = None
    env: Maybe[dict[types.EnvironmentName, str]] = None
    labels: Maybe[dict[types.LabelName, str]] = None
    annotations: Maybe[dict[types.LabelName, str]] = None
    healthcheck: Maybe[HealthCheckKey] = None
    stop_signal: Maybe[types.Signal] = None
    volumes: Maybe[list[types.Path]] = None
    ports: Maybe[list[types.Port]] = None
    workdir: Maybe[types.Path] = None
    version_of: Maybe[types.PackageName] = None
    test: Maybe[ImageTest] = None


class BaseImage(Model):
    """An image built elsewhere."""

    image: types.Reference


def _origin(value: Any) -> str:
    return "<elsewhere>" if isinstance(value, dict) else "<name>"


From = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[BaseImage, Tag("<elsewhere>")], Discriminator(_origin)
]
"""Another image of the set, `site`, or an image built elsewhere."""


ORIGINS = {"from", "containerfile"}
"""Keys of a recipe for the origin of its image; one of them is required."""


def _secrets(value: Any) -> Any:
    return (
        dict.fromkeys(value, "")
        if isinstance(value, list) and all(type(item) is str for item in value)
        else value
    )


Secrets = Annotated[
    dict[str, str], BeforeValidator(_secrets, json_schema_input_type=list[str] | dict[str, str])
]
"""Names, or `{name: file}`; the latter afterwards, with an empty file where none is named."""


class Recipe(Fragment):
    """One image: `from` or `containerfile` says what it is made from."""

    image: str
    from_: Maybe[From] = None
    containerfile: Maybe[str] = None
    network: Maybe[bool] = None
    args: Maybe[dict[str, str]] = None
    contexts: Maybe[dict[str, str]] = None
    secrets: Maybe[Secrets] = None

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"required": ["containerfile"]},
            "then": {"properties": {"from": False}},
            "else": {"required": ["from"]},
        }
    )
    profiles: Maybe[list[str]] = None


class Trait(Fragment):
    """A named fragment that recipes share."""

    trait: str
    parameters: Maybe[dict[str, Any]] = None


Platform = Literal["linux/amd64", "linux/arm64"]
"""The platforms that a plan can look for on a host: see `plan/runtime/platform.sh`."""


class SetFile(Model):
    """set.yaml: what the images of a set have in common."""

    set_: types.SetName
    registry: Maybe[types.Registry] = None
    namespace: types.Namespace
    prefix: Maybe[types.Prefix] = None
    tag: types.Tag
    format: Maybe[Literal["docker", "oci"]] = None
    layers: Maybe[Literal["one", "databases"]] = None
    epoch: types.Epoch
    site: Maybe[str] = None
    platforms: Maybe[list[Platform]] = None
    variables: Maybe[dict[str, Any]] = None
    common: Maybe[Fragment] = None
    profiles: Maybe[dict[str, list[str]]] = None


class Bootstrap(Model):
    """An empty root, filled by the host's package manager."""

    bootstrap: list[types.PackageName]


SCRATCH = "scratch"
"""The reference of an empty root, as in Containerfiles."""


def _base(value: Any) -> str:
    if isinstance(value, str):
        return "<scratch>"
    return "<image>" if isinstance(value, dict) and "image" in value else "<bootstrap>"


class Repository(Model):
    """A package repository of a site."""

    directory: Maybe[str] = None
    url: Maybe[types.Url] = None
    key: Maybe[str] = None
    gpgcheck: Maybe[bool] = None


class DownloadSource(Model):
    """Where the bytes of a download come from (a file, another URL; else its own), and what they must be."""

    file: Maybe[str] = None
    url: Maybe[types.Url] = None
    sha256: Maybe[types.Sha256] = None
    unverified: Maybe[Literal[True]] = None


class LeftOut(Model):
    """A repository that a site does without, why, and the packages that only it has."""

    because: str
    packages: Maybe[list[str]] = None


def _left_out(value: Any) -> Any:
    return {"because": value} if isinstance(value, str) else value


def _repositories(value: Any) -> str:
    return "<host>" if isinstance(value, str) else "<map>"


if TYPE_CHECKING:
    Installer = str
else:
    Installer = Literal[tuple(MANAGERS)]


class Site(Model):
    """Where packages and base images come from."""

    site: str
    about: Maybe[str] = None
    base: Annotated[
        Annotated[Literal["scratch"], Tag("<scratch>")]
        | Annotated[Bootstrap, Tag("<bootstrap>")]
        | Annotated[BaseImage, Tag("<image>")],
        Discriminator(_base),
    ]
    installer: Installer
    inside: Maybe[bool] = None
    release: Maybe[types.Release] = None
    epoch: Maybe[types.Epoch] = None
    stand_ins: Maybe[str] = None
    repositories: Maybe[
        Annotated[
            Annotated[Literal["host"], Tag("<host>")]
            | Annotated[dict[types.RepositoryId, Repository], Tag("<map>")],
            Discriminator(_repositories),
        ]
    ] = None
    left_out: Maybe[
        dict[str, Annotated[LeftOut, BeforeValidator(_left_out, json_schema_input_type=str | LeftOut)]]
    ] = None
    downloads: Maybe[dict[types.Url, DownloadSource]] = None
    gems: Maybe[str] = None
    sources: Maybe[types.Url] = None
    variables: Maybe[dict[str, Any]] = None
    labels: Maybe[dict[types.LabelName, str]] = None


class AddRemove(Model):
    """Changes to a list of names."""

    append: Maybe[list[str]] = None
    remove: Maybe[list[str]] = None


class UsesPatch(Model):
    """Changes to the traits of a recipe."""

    append: Maybe[list[Use]] = None
    remove: Maybe[list[str]] = None


class StepsPatch(Model):
    """Steps before and after those there are; some of these taken away, each written as it is."""

    prepend: Maybe[list[Step]] = None
    append: Maybe[list[Step]] = None
    remove: Maybe[list[Step]] = None


class Patch(Model):
    """Changes to one image: a value replaces, a map is merged, `~` takes away."""

    from_: Maybe[From] = None
    uses: Maybe[UsesPatch] = None
    accounts: Maybe[dict[types.AccountName, Account | None]] = None
    repositories: Maybe[dict[types.RepositoryId, RepositoryFile | None]] = None
    before: Maybe[StepsPatch] = None
    packages: Maybe[AddRemove] = None
    steps: Maybe[StepsPatch] = None
    user: types.UserName | None = None
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    env: Maybe[dict[types.EnvironmentName, str | None]] = None
    labels: Maybe[dict[types.LabelName, str | None]] = None
    annotations: Maybe[dict[types.LabelName, str | None]] = None
    healthcheck: HealthCheckKey | None = None
    stop_signal: types.Signal | None = None
    volumes: Maybe[AddRemove] = None
    ports: Maybe[AddRemove] = None
    workdir: types.Path | None = None
    version_of: types.PackageName | None = None
    test: ImageTest | None = None


class SitePatch(Model):
    """What one site gets besides. A repository or download it has by that name is replaced."""

    repositories: Maybe[dict[types.RepositoryId, Repository]] = None
    downloads: Maybe[dict[types.Url, DownloadSource]] = None
    gems: Maybe[str] = None


class Overlay(Model):
    """A user's changes to a set, without touching it."""

    overlay: str
    variables: Maybe[dict[str, Any]] = None
    common: Maybe[Fragment] = None
    sites: Maybe[dict[str, SitePatch]] = None
    images: Maybe[dict[str, Patch]] = None
    recipes: Maybe[list[Recipe]] = None
