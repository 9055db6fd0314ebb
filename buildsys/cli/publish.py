"""The verbs that ship what was built: publish, verify."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildsys import disk
from buildsys.cli.completion import set_names
from buildsys.cli.defaults import Configured
from buildsys.cli.options import Verb, examples, takes_build_directory, takes_plan_directory, words
from buildsys.cli.output import FAILED, Ended, say
from buildsys.cli.stores import takes_store
from buildsys.cli.surroundings import enter_user_namespace
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, counted

if TYPE_CHECKING:
    from buildsys.publish.attachments import Signing
    from buildsys.publish.signed import Demand
    from buildsys.publish.task import Outcome


def takes_published(verb: Verb) -> Verb:
    """Give a verb the set, whose plan must be there, and the ways into a registry."""

    @click.argument("image_set", metavar="SET", shell_complete=set_names)
    @takes_plan_directory
    @takes_build_directory
    @click.option(
        "--authfile", metavar="FILE", type=click.Path(path_type=Path),
        help="Credentials of registries; else where the container tools keep them.",
    )  # fmt: skip
    @click.option(
        "--cert-dir", "certificates", metavar="DIR", type=click.Path(path_type=Path),
        help="Certificates: authorities (*.crt), and ours (*.cert, *.key); else the tools' certs.d/HOST.",
    )  # fmt: skip
    @functools.wraps(verb)
    def taking(image_set: str, directory: Path | None, build_directory: Path, **others: Any) -> Any:
        directory = directory or build_directory / Path(image_set).absolute().name
        disk.writes(build_directory, directory)
        return verb(directory=directory, **others)

    return taking


@click.command(
    epilog=examples(
        "buildsys publish stable-pike --to docker://registry.example.org/pike --tag date",
        "buildsys publish stable-pike nova-api --to oci:/srv/images",
    )
)
@takes_published
@click.argument("patterns", metavar="[IMAGE]...", nargs=-1)
@click.option(
    "--only", metavar="IMAGES", multiple=True,
    help="The same as IMAGE, several in one text: --only \"nova-api 'neutron-*'\".",
)  # fmt: skip
@click.option(
    "--to", "texts", metavar="DEST", multiple=True, required=True,
    cls=Configured, envvar="BS_TO", show_envvar=True,
    help="docker://HOST[/NAMESPACE], oci:DIR, dir:DIR or another destination. Repeatable.",
)  # fmt: skip
@click.option(
    "--tag", "tags", metavar="TAG", multiple=True,
    help="One more tag for every image. {{ key }}, {{ date }}, {{ lock }}, `promoted` are known. Repeatable.",
)  # fmt: skip
@click.option("--changed", is_flag=True, help="Images that are there unchanged keep the tags that they have.")
@click.option(
    "--label", "labels", metavar="NAME=VALUE", multiple=True, help="A label of the release. Repeatable."
)
@click.option(
    "--compression", type=click.Choice(["gzip", "zstd"]), default="gzip", show_default=True,
    help="How layers are packed; zstd needs a set of `format: oci`.",
)  # fmt: skip
@click.option(
    "--uploads", metavar="N", type=click.IntRange(min=1), default=4, show_default=True,
    help="Uploads at once, to each registry.",
)  # fmt: skip
@click.option(
    "--sign-key", "key", metavar="FILE", type=click.Path(path_type=Path),
    help="Sign all images with this sigstore key, and attach provenance, SBOM and plan.",
)  # fmt: skip
@click.option(
    "--sign-passphrase-file", "passphrase", metavar="FILE", type=click.Path(path_type=Path),
    help="The key's passphrase; else the variable COSIGN_PASSWORD has it.",
)  # fmt: skip
@click.option(
    "--sign-identity", "identity", metavar="HOST[/NAMESPACE]", default="",
    help="Where images are pulled from, as signed; else where they are published.",
)  # fmt: skip
@click.option("--stand-ins", is_flag=True, help="Let images of stand-in packages leave this host.")
@takes_store
def publish(
    directory: Path,
    patterns: tuple[str, ...],
    only: tuple[str, ...],
    *,
    texts: tuple[str, ...],
    tags: tuple[str, ...],
    changed: bool,
    labels: tuple[str, ...],
    compression: Any,
    uploads: int,
    authfile: Path | None,
    certificates: Path | None,
    key: Path | None,
    passphrase: Path | None,
    identity: str,
    stand_ins: bool,
    store: str,
) -> None:
    """Publish a set that was built, as a whole: all its images first, then all tags.

    SET is published as it was built last; IMAGE, a name or a glob in quotes ('neutron-*'), is a part of it.
    What a destination has already is not sent again. When anything fails, no tag is moved there, and the next
    run goes on from where this one ended.
    """
    from buildsys.programs import ToolFailed, require
    from buildsys.publish.destination import destinations
    from buildsys.publish.publication import publish as publish_set
    from buildsys.publish.task import Patience, PublishOptions

    chosen = destinations(texts)
    disk.writes(*(Path(place.place) for place in chosen if place.is_directory))
    wish = PublishOptions(
        tags=tags,
        changed=changed,
        labels=tuple(sorted(_labels(labels).items())),
        compression=compression,
        uploads=uploads,
        authfile=authfile,
        certificates=certificates,
        patience=Patience.of_environment(),
        signing=_signing(directory, key, passphrase, identity) if key else None,
    )
    require(("buildah", "skopeo"), directory.parent / "tools.json")
    enter_user_namespace()
    try:
        outcomes = publish_set(
            directory,
            chosen,
            wish,
            store=store,
            stand_ins=stand_ins,
            say=_waits(directory),
            tell=_tell,
            only=words((*patterns, *only)),
        )
    except ToolFailed as failed:
        raise Ended(FAILED, str(failed)) from failed
    if not all(outcome.well() for outcome in outcomes):
        raise Ended(FAILED)


def _signing(directory: Path, key: Path, passphrase: Path | None, identity: str) -> Signing:
    import os

    from buildsys.attestation.recipe_commit import recipe_commit
    from buildsys.attestation.signing_key import PASSPHRASE, signing_key
    from buildsys.publish.attachments import Signing
    from buildsys.sbom.bill_of_materials import documents

    if passphrase is None:
        secret = os.environb.get(PASSPHRASE.encode(), b"")
    else:
        try:
            secret = passphrase.read_bytes().removesuffix(b"\n")
        except OSError as error:
            message = f"{passphrase} cannot be read: {error.strerror}"
            raise Refused([Diagnostic(NOWHERE, Code.WRONG_PASSPHRASE, message)]) from error
    return Signing(
        key=signing_key(key, secret),
        bills=lambda plan, names, ids: documents(plan, names, "spdx", ids),
        identity=identity,
        commit=recipe_commit(directory),
    )


def _waits(directory: Path) -> Any:
    return lambda message: say(f"{directory.name}: {message}")


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise Refused([Diagnostic(NOWHERE, Code.BAD_LABEL, f"'{text}' is not a label", "NAME=VALUE")])
        found[name] = value
    return found


def _tell(outcome: Outcome) -> None:
    for mistake in outcome.mistakes:
        say(mistake.text())
        # That one is about a disk of the registry.
        if mistake.code != Code.REGISTRY_FULL:
            disk.heard(mistake.text())
    for note in outcome.notes:
        say(f"note: {outcome.destination}: {note}")
    counts = {"image": outcome.images, "blob": outcome.blobs, "tag": outcome.tags}
    words = ", ".join(counted(number, what) for what, number in counts.items() if number)
    if outcome.signed:
        words += f"{', ' if words else ''}{outcome.signed} signed"
    if not outcome.well():
        say(f"{outcome.destination}: not published" + (f"; sent: {words}" if words else ""))
    else:
        say(f"{outcome.destination}: " + (f"published: {words}" if words else "had all of it already"))


@click.command(epilog=examples("buildsys verify stable-pike --at docker://registry.example.org/pike"))
@takes_published
@click.option(
    "--at", "text", metavar="DEST", required=True, help="Where it was published, as `publish --to` had it."
)
@click.option(
    "--key", metavar="FILE", type=click.Path(path_type=Path),
    help="Every tag must be signed with the private half of this key.",
)  # fmt: skip
@click.option(
    "--sign-identity", "identity", metavar="HOST[/NAMESPACE]", default="",
    help="The registry in signed names, if `publish --sign-identity` had another one.",
)  # fmt: skip
@click.option(
    "--require", "wanted", metavar="WORDS", default="",
    help="Attestations that every image must have, signed with --key: provenance,sbom.",
)  # fmt: skip
@click.option(
    "--downloads", metavar="N", type=click.IntRange(min=1), default=4, show_default=True,
    help="Downloads at once.",
)  # fmt: skip
def verify(
    directory: Path,
    text: str,
    *,
    authfile: Path | None,
    certificates: Path | None,
    key: Path | None,
    identity: str,
    wanted: str,
    downloads: int,
) -> None:
    """Prove that a set is at a destination as it was published: read all of it back.

    Every tag must lead to the digest that was recorded when it was published, and every blob be there and
    hash to its digest. What is wrong is data: image, reference, what is the matter; then the status is 1.
    """
    from buildsys.cli.output import put_table
    from buildsys.programs import ToolFailed
    from buildsys.publish.destination import destination
    from buildsys.publish.errors import PublishError
    from buildsys.publish.task import Patience, PublishOptions
    from buildsys.publish.verify import verify as verify_set

    place, demand = destination(text), _demand(key, wanted, identity)
    wish = PublishOptions(
        uploads=downloads, authfile=authfile, certificates=certificates, patience=Patience.of_environment()
    )
    if place.transport == "containers-storage":
        enter_user_namespace()
    try:
        report = verify_set(directory, place, wish, demand)
    except ToolFailed as failed:
        raise Ended(FAILED, str(failed)) from failed
    except PublishError as problem:
        say(problem.diagnostic.text())
        raise Ended(FAILED) from problem
    put_table(
        ("IMAGE", "REFERENCE", "WRONG"),
        [(item.image, item.reference, item.message) for item in report.findings],
    )
    counts = {"image": report.images, "tag": report.tags, "blob": report.blobs}
    looked = ", ".join(counted(number, what) for what, number in counts.items())
    if report.findings:
        say(f"{place}: {looked}: {len(report.findings)} wrong")
        raise Ended(FAILED)
    say(f"{place}: {looked}: as they were published" + (", and signed" if demand else ""))


def _demand(key: Path | None, wanted: str, identity: str) -> Demand | None:
    from buildsys.attestation.signing_key import public_key
    from buildsys.attestation.statement import PREDICATES
    from buildsys.publish.signed import Demand

    words = tuple(word.strip() for word in wanted.split(",") if word.strip())
    for word in words:
        if word not in PREDICATES:
            message = f"'{word}' is not a kind of attestation: {', '.join(sorted(PREDICATES))}"
            raise click.BadParameter(message, param_hint="--require")
    if words and key is None:
        message = "an attestation counts only with the key that signed it: name its --key"
        raise click.UsageError(message)
    return Demand(public_key(key), words, identity) if key else None
