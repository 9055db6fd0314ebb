"""Every kind of mistake that buildsys reports: its stable code, and its meaning in the catalogue of errors."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """The code in brackets behind a message (`unknown-key`). It never changes its meaning.

    The catalogue, `docs/reference/errors.md`, shows each with its meaning; `pytest --rewrite tests/errors` copies
    changed meanings there.
    """

    meaning: str
    """What the mistake is, in Markdown."""

    def __new__(cls, code: str, meaning: str) -> Self:
        """A member whose value is its code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    # A table: one line a kind of mistake.
    # fmt: off

    # Reading YAML ---------------------------------------------------------------------------------

    AMBIGUOUS_TEXT = "ambiguous-text", "An unquoted text that YAML's versions read differently: `1.10`, `0755`, `yes`, `2017-08-30`. Quote it."
    CONTAINERFILE_ONBUILD = "containerfile-onbuild", "A recipe that begins with, or copies from, an image whose Containerfile says ONBUILD: triggers run in Containerfiles only."
    CONTAINERFILE_SECRET = "containerfile-secret", "A secret that no RUN of the Containerfile mounts, or whose file is part of its context."
    CONTAINERFILE_SYNTAX = "containerfile-syntax", "A Containerfile that is not understood: an unknown instruction, one with nothing behind it, a here-document without an end, an image whose name goes over two lines, the end of the file in the middle of one."
    DEEP_NESTING = "deep-nesting", "More than 40 lists and maps in one another."
    DUPLICATE_KEY = "duplicate-key", "A key written twice in one map; both places are shown."
    EMPTY_FILE = "empty-file", "A file without a document."
    FILE_NAME = "file-name", "A `.yml` file among the set's files. Only `.yaml` is read."
    KEY_NOT_TEXT = "key-not-text", "A key that is a number, a list or nothing. Quote it."
    LARGE_FILE = "large-file", "More than a mebibyte."
    NOT_UTF_8 = "not-utf-8", "A byte that is not UTF-8, with its place."
    NUL_CHARACTER = "nul-character", "A text with a NUL in it, which no program can be given."
    SEVERAL_DOCUMENTS = "several-documents", "A second `---` document. Write one a file."
    UNREADABLE_FILE = "unreadable-file", "The system does not let the file be read, or a folder that is copied: rights, a dead link."
    YAML_ALIAS = "yaml-alias", "`&anchor` or `*alias`. Write the value out, or share it with a trait."
    YAML_SYNTAX = "yaml-syntax", "Not YAML at all; the place is where reading stopped, the other where it began."
    YAML_TAG = "yaml-tag", "`!!str`, `!include` and their kin."

    # Keys and types -------------------------------------------------------------------------------

    BAD_CHOICE = "bad-choice", "A value that is not among those allowed: a format, an installer, a variable with `choices`."
    BAD_TEXT = "bad-text", "A text of the stand-ins' data that does not have the form it needs."
    MISPLACED_KEY = "misplaced-key", "A key that this kind of recipe, of copy, or of step in a scenario, does not have."
    MISSING_KEY = "missing-key", "A key that must be there."
    TWO_VERBS = "two-verbs", "A step with two verbs. Write two steps."
    UNKNOWN_KEY = "unknown-key", "A key that does not exist here."
    UNKNOWN_STEP = "unknown-step", "A step whose verb does not exist, or that has none."
    WRONG_TYPE = "wrong-type", "Text where a list is wanted, a number where text is, and so on."

    # Names and values -----------------------------------------------------------------------------

    BAD_CHECKSUM = "bad-checksum", "Not a SHA-256: 64 digits 0-9, a-f."
    BAD_DURATION = "bad-duration", "Not a duration like `30s`."
    BAD_IMAGE_NAME = "bad-image-name", "An image's name that a registry, make or a file system would not take as it is."
    BAD_LINE = "bad-line", "A line break where one line is wanted, or a pattern that says nothing."
    BAD_MODE = "bad-mode", 'Not a mode like `"755"` or `"a+rx"`.'
    BAD_NAME = "bad-name", "A variable, a label, a repository, a scenario or the like that cannot have this name."
    BAD_NUMBER = "bad-number", "A number outside its range."
    BAD_OWNER = "bad-owner", "Not an account, a group, or `user:group`."
    BAD_PACKAGE_NAME = "bad-package-name", "Not the name of one package or gem: an option, several names, a space."
    BAD_PATH = "bad-path", "Not an absolute path inside the image, or one that goes up with `..`; or not a relative path, in the files of a scenario."
    BAD_PATTERN = "bad-pattern", "Not a regular expression, or not a pattern of an ignore file."
    BAD_PORT = "bad-port", 'Not a port like `"8774/tcp"`.'
    BAD_REFERENCE = "bad-reference", "A registry, namespace, prefix, tag or reference that no image can have."
    BAD_SIGNAL = "bad-signal", "Not a signal."
    BAD_SIZE = "bad-size", "Not a size like `900MB`."
    BAD_URL = "bad-url", "Not a URL."
    EMPTY_COMMAND = "empty-command", "Nothing to run."

    # Variables and templates ----------------------------------------------------------------------

    BAD_TEMPLATE = "bad-template", "A template that does not parse, fails, or does what a recipe has no use for: calls, multiplication, loops in loops, attributes."
    BAD_VARIABLE = "bad-variable", "A variable that holds something else than a text, a number, true, false or a list of these."
    UNDEFINED_VARIABLE = "undefined-variable", "A variable without a definition. Names and tags of a set are never defined: an image does not depend on them."
    UNKNOWN_VARIABLE = "unknown-variable", "A value given (by an overlay or on the command line) to a variable the set does not have."
    UNKNOWN_VALUE = "unknown-value", "In a scenario, a value that is captured only later, or a secret or captured value that a filter would change."

    # What refers to what --------------------------------------------------------------------------

    ACCOUNT_CLASH = "account-clash", "Two accounts of an image with one number."
    CONTAINER_CYCLE = "container-cycle", "Containers of a scenario that wait for one another in a ring."
    BELOW_A_VOLUME = "below-a-volume", "A warning of `check`: a RUN names a path below a volume of its file or of a parent. What it writes there is in no image."
    CONTAINERFILE_ALONE = "containerfile-alone", "A recipe with a `containerfile` sets, by itself, a trait, `common` or an overlay, what only the Containerfile can set."
    CONTAINERFILE_ARGUMENT = "containerfile-argument", "A variable in FROM or in a here-document of COPY that has no value, or a value in `args` for what no ARG declares."
    CONTAINERFILE_FLAG = "containerfile-flag", "A flag of an instruction that is not supported: the builder does not know it and it changes the image, or it does not exist."
    CONTAINERFILE_FROM = "containerfile-from", "A Containerfile without FROM, or one that names a stage, an image or a context that does not exist."
    DUPLICATE_NAME = "duplicate-name", "Two recipes, traits, sites or scenarios of one name, two repositories in one file, a profile called like an image, a value of a scenario called like a variable."
    DUPLICATE_PACKAGE = "duplicate-package", "A stand-in package declared twice."
    IMAGE_CYCLE = "image-cycle", "Images that need one another in a ring, with the place of each step around it."
    LONG_CHAIN = "long-chain", "A chain of images with more than 128 layers: the overlay driver mounts no more. What a base image brings counts as one here; a build that finds more says so."
    MISSING_CHECKSUM = "missing-checksum", "A download whose checksum stands neither in the step nor in the site."
    MISSING_FILE = "missing-file", "A file of the set, of an overlay or of the site that is not there."
    MISSING_GEM = "missing-gem", "A gem that the site's gem files do not satisfy."
    MISSING_PARAMETER = "missing-parameter", "A trait used without a parameter that has no default."
    NO_MATCH = "no-match", "A name, glob or `@profile` on the command line that selects nothing."
    NO_SET = "no-set", "A folder that is not an image set."
    NO_SITE = "no-site", "No site was named, and the set does not say which is its own."
    NOT_AT_THIS_SITE = "not-at-this-site", "An image that the site cannot build: it has no gems, or leaves out the repository of a package. The image, and what is made from it, is left out with a warning; named on the command line, it is an error."
    NOTHING_TO_REMOVE = "nothing-to-remove", "An overlay takes away what the image does not have."
    OCI_HEALTHCHECK = "oci-healthcheck", "A health check in the OCI format, which has no place for one."
    OCI_ONBUILD = "oci-onbuild", "A trigger (ONBUILD) in the Containerfile of a set in the OCI format, which has none."
    ODD_FILE = "odd-file", "A socket, pipe, device, link to a folder or file with an ACL among the files to copy, or a name that is not UTF-8."
    PATH_LEAVES_CONTEXT = "path-leaves-context", "A path or a link that leads out of the set's folder."
    PROFILE_CYCLE = "profile-cycle", "Profiles that hold one another in a ring."
    SET_NAME = "set-name", "`set:` is not the name of the set's folder."
    SITE_MISMATCH = "site-mismatch", "Keys of a site that contradict one another, a repository without a key to check its packages by, or packages that apt should install into an image built elsewhere."
    TOO_MANY_TRAITS = "too-many-traits", "More than 1000 traits for one image, by way of traits that use traits."
    TRAIT_CYCLE = "trait-cycle", "Traits that use one another in a ring."
    UNKNOWN_CONTAINER = "unknown-container", "A scenario has no container of that name."
    UNKNOWN_IMAGE = "unknown-image", "A name that no image of the set has: in `copy`, in an overlay, in a scenario, on the command line."
    UNKNOWN_MEMBER = "unknown-member", "A member of a profile that is neither an image, nor a glob that matches one, nor a profile."
    UNKNOWN_MOUNT = "unknown-mount", "What a container of a scenario mounts is none of its files, folders and volumes."
    UNKNOWN_PACKAGE = "unknown-package", "A stand-in requires a package that is not declared."
    UNKNOWN_PARAMETER = "unknown-parameter", "A trait given something it does not take."
    UNKNOWN_PARENT = "unknown-parent", "`from` names no image of the set."
    UNKNOWN_PLATFORM = "unknown-platform", "A platform that `platforms` of set.yaml does not name."
    UNKNOWN_PROFILE = "unknown-profile", "A recipe joins a profile that set.yaml does not name."
    UNKNOWN_SITE = "unknown-site", "No site of that name."
    UNKNOWN_TRAIT = "unknown-trait", "No trait of that name."
    WRONG_CHECKSUM = "wrong-checksum", "A file does not match its checksum or the lock, or recipe and site have different checksums of a download."

    # Tools, locks and plans -----------------------------------------------------------------------

    BAD_KEY = "bad-key", "A file named as a public key that holds none."
    BAD_STORE = "bad-store", "Options of a container store, in a configuration file, that cannot be used."
    BASE_UNREACHABLE = "base-unreachable", "A base image that cannot be looked at: its name, the network, or the registry."
    BASE_UNREADABLE = "base-unreadable", "A layer of a base image that is not a tar archive."
    FILE_EXISTS = "file-exists", "A file that would be written, and is there already."
    KOLLA_SYNTAX = "kolla-syntax", "A file of Kolla that is not a template, or not a configuration."
    LATE_EPOCH = "late-epoch", "An epoch later than the clock of this machine: files that a step writes are known by being newer."
    LOCK_EDITED = "lock-edited", "A lock that was changed by hand. Write it again with `buildsys lock`."
    LOCK_HELD = "lock-held", "An image that cannot keep its packages: the locked packages of its parent have changed."
    LOCK_OF_ANOTHER = "lock-of-another", "A lock of another set or site."
    LOCK_OUTDATED = "lock-outdated", "The recipes ask for something that the lock does not have."
    LOCK_UNREADABLE = "lock-unreadable", "A file that is not a lock, or a lock of another version of buildsys; or a value in it that no lock holds."
    MISSING_IMAGE = "missing-image", "An image that the container store does not have."
    MISSING_TOOL = "missing-tool", "A tool that is needed and not installed."
    NO_HOST_REPOSITORIES = "no-host-repositories", "The site takes the host's own repositories, and the host has none."
    NO_LOCK = "no-lock", "There is no lock where one is wanted."
    NO_PACKAGE_DATABASE = "no-package-database", "An image without a package database, rpm's or dpkg's, whose packages were asked for."
    BAD_ADVISORIES = "bad-advisories", "A file of advisories that cannot be read, or a path that has none. A feed that is read in part would pass for a clean one."
    NO_PLAN = "no-plan", "A directory that holds no plan where one is wanted."
    NOT_FETCHED = "not-fetched", "A package, download or index that cannot be fetched."
    NOT_LOCKABLE = "not-lockable", "Packages to be installed into what a Containerfile builds: what that holds is known only then."
    NOT_TAKEN_OVER = "not-taken-over", "A warning of `import`: what could not be taken over, and why."
    OLD_TOOL = "old-tool", "A tool that is too old."
    PACKAGE_MISSING = "package-missing", "A package no repository of the site has, at the line that names it."
    PACKAGE_TRUNCATED = "package-truncated", "A package that comes cut short, twice."
    PACKAGE_UNSOLVABLE = "package-unsolvable", "Packages that cannot be installed together, and why."
    PACKAGE_VANISHED = "package-vanished", "A package of the lock that its repository has no more."
    PLAN_DIRECTORY_NAME = "plan-directory-name", "A directory with a newline in its name, in which no plan can run."
    PLAN_DIRECTORY_TAKEN = "plan-directory-taken", "The directory for a plan holds something else, which stays as it is."
    PLAN_DIRECTORY_VERSION = "plan-directory-version", "The directory holds a plan of another version of buildsys."
    REPOSITORY_OLDER = "repository-older", "A repository that is older than the lock made from it."
    REPOSITORY_UNFIT = "repository-unfit", "A repository that does not know its packages by SHA-256."
    REPOSITORY_UNREACHABLE = "repository-unreachable", "A repository that does not answer, or not as it should: unsigned, or other than its signature says."
    STAND_INS_FAILED = "stand-ins-failed", "Stand-in packages that cannot be made, and why."
    TOML_SYNTAX = "toml-syntax", "A configuration file that is not TOML; the place is where reading stopped."
    UNKNOWN_SIGNER = "unknown-signer", "A package that no key of the site signs."
    UNREADABLE_IMAGE = "unreadable-image", "An image, a layer or a package database that cannot be read, and why."

    # Exports --------------------------------------------------------------------------------------

    EXPORT_BAD_FILE = "export-bad-file", "The file of `--digests` or `--since` has the wrong kind, or names no image of the set."
    EXPORT_BAD_NAME = "export-bad-name", "Two images would have one name in bake, Kolla-Ansible or the CentOS Container Pipeline, or the pipeline takes no job of this name."
    EXPORT_BAD_PATH = "export-bad-path", "A file of an export that would not be in its directory."
    EXPORT_DIRECTORY_TAKEN = "export-directory-taken", "The directory for an export holds something else, which stays as it is."
    EXPORT_NEEDS_OPTION = "export-needs-option", "The format needs a value that only an option gives."
    EXPORT_OTHER_FORMAT = "export-other-format", "The directory holds an export of another format."
    EXPORT_UNKNOWN_SERVICE = "export-unknown-service", "No image of the set's data is for this service."
    NO_EXPORT_DATA = "no-export-data", "The set does not say what this consumer takes: it lacks `exports/FORMAT.yaml`."
    NOT_IN_A_CONTAINERFILE = "not-in-a-containerfile", "A value that no Containerfile can say: one with a line break."

    # Tests and scenarios --------------------------------------------------------------------------

    NO_ANSWER = "no-answer", "A server does not answer a request, or not in HTTP."
    NO_CAPTURE = "no-capture", "The output of a step does not contain the value to capture."
    NO_CONTAINER = "no-container", "podman cannot make or enter a container, and why."
    NO_LISTENER = "no-listener", "Nothing listens at a port in time."
    NOT_HEALTHY = "not-healthy", "A health check does not pass in time; its last output is shown."
    SERVICE_ENDED = "service-ended", "A container ended while it was needed."
    TIME_LIMIT = "time-limit", "A command, or a whole scenario, took too long and was ended."
    TOO_LARGE = "too-large", "An image is larger than its test allows."
    UNEXPECTED_SETUID = "unexpected-setuid", "A file with the set-user-ID or set-group-ID bit that the test does not allow."
    UNKNOWN_SCENARIO = "unknown-scenario", "No scenario of that name."
    WRONG_ANSWER = "wrong-answer", "A server answers another status, text or value than it should."
    WRONG_OUTPUT = "wrong-output", "The output of a command does not match its test."
    WRONG_STATUS = "wrong-status", "A command ends with another status than it should."
    WRONG_USER = "wrong-user", "An image runs as another user than its test says."

    # Building on other machines -------------------------------------------------------------------

    BAD_ENGINE_ADDRESS = "bad-engine-address", "Not the address of a scheduler: `dask=tls://HOST:PORT`."
    BAD_ENGINE_OPTION = "bad-engine-option", "An option that the engine of `--on` does not have."
    ENGINE_NOT_INSTALLED = "engine-not-installed", "The engine of `--on` is not installed here; the hint is the command that installs it."
    ENGINE_WITHOUT_TLS = "engine-without-tls", "A scheduler without TLS that is not on this machine: whoever reaches it could run programs on all workers."
    NO_SCHEDULER = "no-scheduler", "The scheduler of an engine does not answer."
    NO_WORK_REGISTRY = "no-work-registry", "Steps on other machines need a work registry, which BS_REGISTRY names."
    NO_WORKER = "no-worker", "An engine without a worker that can build: none is connected, or it is of another platform."
    UNKNOWN_ENGINE = "unknown-engine", "No engine has the name that `--on` says."
    WORKER_DRIVER = "worker-driver", "A worker whose store is of another storage driver: its images would have other ids."
    WORKER_VERSION = "worker-version", "A worker with another version of buildsys, Python or Dask than the client, or without buildsys."
    WORKER_WITHOUT_TOOL = "worker-without-tool", "A worker that lacks a program that builds need."

    # Publishing -----------------------------------------------------------------------------------

    BAD_ANSWER = "bad-answer", "A registry answers with something unusable: an invalid token, a redirect without an address."
    BAD_AUTH_FILE = "bad-auth-file", "A file that does not hold credentials."
    BAD_AUTH_HELPER = "bad-auth-helper", "A credential helper that cannot be run, or that returns no credentials."
    BAD_COMPRESSION = "bad-compression", "Layers packed in a way that the format of a destination does not know."
    BAD_DESTINATION = "bad-destination", "Not a destination: `docker://HOST`, `oci:DIR` and so on."
    BAD_SIGNING_KEY = "bad-signing-key", "A file that is not a key that images are signed with, or that signatures are checked with."
    BAD_LABEL = "bad-label", "Not a label of a release: `NAME=VALUE`."
    BAD_PAUSE = "bad-pause", "`BS_PAUSE` is not a number of seconds."
    BAD_PROXY = "bad-proxy", "`https_proxy` is not a proxy that can be used."
    BAD_REGISTRIES_CONF = "bad-registries-conf", "A `registries.conf` that cannot be read."
    BAD_REPOSITORY = "bad-repository", "A repository whose name is too long, or one that the registry does not take."
    BAD_TAG = "bad-tag", "Not a tag."
    BUSY_DIRECTORY = "busy-directory", "Another run publishes to a destination's directory."
    FOREIGN_DIRECTORY = "foreign-directory", "A destination's directory holds something else, which stays as it is."
    NO_ACCESS = "no-access", "A registry requires credentials, or refuses those it gets."
    NO_AUTH_FILE = "no-auth-file", "The file of credentials that was named is not there."
    NO_CERTIFICATES = "no-certificates", "The folder of certificates that was named is not there."
    NO_PUSH_RIGHT = "no-push-right", "A repository that may not be written to."
    NO_REGISTRY = "no-registry", "A registry that does not answer, or an answer that is not of a registry."
    NO_REPOSITORY = "no-repository", "A repository that the registry does not have, and does not make by itself."
    NO_SIGNING = "no-signing", "The libraries for signatures are not installed, or too old."
    NOT_CURRENT = "not-current", "Images that were not built from the current plan."
    NOT_PROMOTED = "not-promoted", "The tag `promoted` for a set whose tests and scenarios have not all passed."
    NOT_PUBLISHED = "not-published", "A destination to which the plan has published nothing."
    NOT_SIGNED_THERE = "not-signed-there", "Signatures are asked of a destination that cannot hold them."
    NOT_WRITTEN = "not-written", "A file that cannot be written or read, and why: no space, no right."
    PLAIN_HTTP = "plain-http", "A registry that sends us on to an address without TLS, and is not declared insecure."
    REGISTRY_BLOCKED = "registry-blocked", "`registries.conf` forbids the registry, or spreads a set over several."
    REGISTRY_FAILING = "registry-failing", "A registry that goes on failing: no answer, 429, 5xx."
    REGISTRY_FULL = "registry-full", "A registry without space, or one that takes nothing that large."
    REGISTRY_REFUSES = "registry-refuses", "A registry refuses something, with its own reason."
    STAND_INS_LEAVE = "stand-ins-leave", "Images of stand-in packages, for a registry that is not on this host."
    STORE_REFUSES = "store-refuses", "A container store that does not take an image."
    TAG_PROTECTED = "tag-protected", "A tag that the registry does not let be moved."
    WRONG_CERTIFICATE = "wrong-certificate", "A registry whose certificate is not trusted here."
    WRONG_PASSPHRASE = "wrong-passphrase", "A passphrase that does not open the key."
    # fmt: on
