"""Tests as they are written: the `test` of a recipe, and scenarios of several containers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from buildsys.recipe.schema import types
from buildsys.recipe.schema.base import Maybe, Model, Numbers, OneOrMore, TextOrList


class HealthCheck(Model):
    """How a container's health is asked for."""

    command: TextOrList[str]
    interval: Maybe[types.Duration] = None
    timeout: Maybe[types.Duration] = None
    start_period: Maybe[types.Duration] = None
    retries: Maybe[types.Retries] = None


def _health_check(value: Any) -> Any:
    return {"command": value} if isinstance(value, str | list) else value


HealthCheckKey = Annotated[
    HealthCheck, BeforeValidator(_health_check, json_schema_input_type=str | list[str] | HealthCheck)
]


class CommandTest(Model):
    """A command in a container, and what it must come to."""

    run: TextOrList[str]
    user: Maybe[types.UserName] = None
    env: Maybe[dict[types.EnvironmentName, str]] = None
    status: Maybe[Numbers[types.ExitStatus]] = None
    output: Maybe[types.Expression] = None
    timeout: Maybe[types.Limit] = None


def _run(value: Any) -> Any:
    return {"run": value} if isinstance(value, str | list) else value


RunKey = Annotated[CommandTest, BeforeValidator(_run, json_schema_input_type=str | list[str] | CommandTest)]
"""A command alone, or a map with its expected result; the latter afterwards."""


class Http(Model):
    """A request to a server in a container, and what must be answered."""

    port: types.PortNumber
    path: Maybe[types.Path] = None
    method: Maybe[str] = None
    headers: Maybe[dict[types.HeaderName, types.OneLine]] = None
    body: Maybe[str] = None
    status: Maybe[Numbers[types.HttpStatus]] = None
    json_: Maybe[dict[str, Any]] = None
    output: Maybe[types.Expression] = None


def _requests(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


Requests = Annotated[list[Http], BeforeValidator(_requests, json_schema_input_type=Http | list[Http])]
"""One request or several; a list afterwards."""


class Service(Model):
    """The image started as it is, and then asked."""

    env: Maybe[dict[types.EnvironmentName, str]] = None
    cmd: Maybe[list[str]] = None
    healthy: Maybe[bool] = None
    port: Maybe[Numbers[types.PortNumber]] = None
    http: Maybe[Requests] = None
    run: Maybe[list[RunKey]] = None
    within: Maybe[types.Limit] = None


class ImageTest(Model):
    """What must be true of an image before it may be used."""

    run: Maybe[list[RunKey]] = None
    user: Maybe[types.UserName] = None
    setuid: Maybe[list[types.Path]] = None
    size: Maybe[types.Size] = None
    service: Maybe[Service] = None


class Container(Model):
    """A container of a scenario."""

    image: Maybe[str] = None
    env: Maybe[dict[types.EnvironmentName, str]] = None
    mounts: Maybe[dict[types.Path, str]] = None
    cmd: Maybe[list[str]] = None
    entrypoint: Maybe[list[str]] = None
    user: Maybe[types.UserName] = None
    healthcheck: Maybe[HealthCheckKey] = None
    within: Maybe[types.Limit] = None
    after: Maybe[OneOrMore[str]] = None
    first: Maybe[list[RunKey]] = None
    then: Maybe[list[RunKey]] = None


class ScenarioStep(Model):
    """A command in a container that runs, or a request; what it must come to, and what is kept of it."""

    about: Maybe[str] = None
    run: Maybe[TextOrList[str]] = None
    in_: Maybe[str] = None
    user: Maybe[types.UserName] = None
    env: Maybe[dict[types.EnvironmentName, str]] = None
    http: Maybe[Http] = None
    status: Maybe[Numbers[types.ExitStatus]] = None
    output: Maybe[types.Expression] = None
    capture: Maybe[dict[str, types.Expression]] = None
    timeout: Maybe[types.Limit] = None
    retry: Maybe[types.Limit] = None


class Scenario(Model):
    """Images of a set at work together."""

    scenario: types.ScenarioName
    about: Maybe[str] = None
    timeout: Maybe[types.Limit] = None
    secrets: Maybe[list[str]] = None
    files: Maybe[dict[types.ScenarioFile, str]] = None
    volumes: Maybe[list[types.ContainerName]] = None
    containers: dict[types.ContainerName, Container]
    steps: Maybe[list[ScenarioStep]] = None
    checks: Maybe[list[ScenarioStep]] = None
