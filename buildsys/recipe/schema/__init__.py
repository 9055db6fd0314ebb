"""What a person writes, as models: the shape of recipes, traits, set.yaml, sites, overlays and scenarios.

The only door to pydantic. A model holds what was written and nothing else: a key that was left out is
None, and `buildsys.resolve` alone says what that means.
"""

from buildsys.recipe.schema.audit_exceptions import ExceptionsFile
from buildsys.recipe.schema.base import Model
from buildsys.recipe.schema.documents import (
    SCRATCH,
    Account,
    AddRemove,
    BaseImage,
    Bootstrap,
    DownloadSource,
    Fragment,
    LeftOut,
    Overlay,
    Patch,
    Recipe,
    Repository,
    RepositoryFile,
    SetFile,
    Site,
    SitePatch,
    StepsPatch,
    Trait,
    UsesPatch,
)
from buildsys.recipe.schema.json_schema import json_schema
from buildsys.recipe.schema.mistakes import check_template, read, read_filled
from buildsys.recipe.schema.steps import VERBS, AnyStep
from buildsys.recipe.schema.tests import (
    CommandTest,
    Container,
    HealthCheck,
    Http,
    ImageTest,
    Scenario,
    ScenarioStep,
    Service,
)

__all__ = [
    "SCRATCH", "VERBS", "Account", "AddRemove", "AnyStep", "BaseImage", "Bootstrap", "CommandTest",
    "Container", "DownloadSource", "ExceptionsFile", "Fragment", "HealthCheck", "Http", "ImageTest",
    "LeftOut", "Model",
    "Overlay", "Patch", "Recipe", "Repository", "RepositoryFile", "Scenario", "ScenarioStep", "Service",
    "SetFile", "Site", "SitePatch", "StepsPatch", "Trait", "UsesPatch", "check_template", "json_schema",
    "read", "read_filled",
]  # fmt: skip
