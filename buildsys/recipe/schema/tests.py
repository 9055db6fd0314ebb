"""What a person writes to have images tried: the `test` of a recipe, and scenarios of several containers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from buildsys.recipe.schema.base import Maybe, Model, OneOrMore, TextOrList


def _numbers(value: Any) -> Any:
    return [value] if type(value) is int else value


Numbers = Annotated[list[int], BeforeValidator(_numbers, json_schema_input_type=int | list[int])]
"""One number or a list of numbers; a list afterwards."""


class HealthCheck(Model):
    """How a container's health is asked for."""

    command: TextOrList
    interval: Maybe[str] = None
    timeout: Maybe[str] = None
    start_period: Maybe[str] = None
    retries: Maybe[int] = None


def _health_check(value: Any) -> Any:
    return {"command": value} if isinstance(value, str | list) else value


HealthCheckKey = Annotated[
    HealthCheck, BeforeValidator(_health_check, json_schema_input_type=str | list[str] | HealthCheck)
]


class CommandTest(Model):
    """A command in a container, and what it must come to."""

    run: TextOrList
    user: Maybe[str] = None
    env: Maybe[dict[str, str]] = None
    status: Maybe[Numbers] = None
    output: Maybe[str] = None
    timeout: Maybe[str] = None


def _run(value: Any) -> Any:
    return {"run": value} if isinstance(value, str | list) else value


RunKey = Annotated[CommandTest, BeforeValidator(_run, json_schema_input_type=str | list[str] | CommandTest)]
"""A command alone, or a map with what it must come to; the latter afterwards."""


class Http(Model):
    """A request to a server in a container, and what must be answered."""

    port: int
    path: Maybe[str] = None
    method: Maybe[str] = None
    headers: Maybe[dict[str, str]] = None
    body: Maybe[str] = None
    status: Maybe[Numbers] = None
    json_: Maybe[dict[str, Any]] = None
    output: Maybe[str] = None


def _requests(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


Requests = Annotated[list[Http], BeforeValidator(_requests, json_schema_input_type=Http | list[Http])]
"""One request or several; a list afterwards."""


class Service(Model):
    """The image started as it is, and then asked."""

    env: Maybe[dict[str, str]] = None
    cmd: Maybe[list[str]] = None
    healthy: Maybe[bool] = None
    port: Maybe[Numbers] = None
    http: Maybe[Requests] = None
    run: Maybe[list[RunKey]] = None
    within: Maybe[str] = None


class ImageTest(Model):
    """What must be true of an image before it may be used."""

    run: Maybe[list[RunKey]] = None
    user: Maybe[str] = None
    setuid: Maybe[list[str]] = None
    size: Maybe[str] = None
    service: Maybe[Service] = None


class Container(Model):
    """A container of a scenario."""

    image: Maybe[str] = None
    env: Maybe[dict[str, str]] = None
    mounts: Maybe[dict[str, str]] = None
    cmd: Maybe[list[str]] = None
    entrypoint: Maybe[list[str]] = None
    user: Maybe[str] = None
    healthcheck: Maybe[HealthCheckKey] = None
    within: Maybe[str] = None
    after: Maybe[OneOrMore] = None
    first: Maybe[list[RunKey]] = None
    then: Maybe[list[RunKey]] = None


class ScenarioStep(Model):
    """A command in a container that runs, or a request; what it must come to, and what is kept of it."""

    about: Maybe[str] = None
    run: Maybe[TextOrList] = None
    in_: Maybe[str] = None
    user: Maybe[str] = None
    env: Maybe[dict[str, str]] = None
    http: Maybe[Http] = None
    status: Maybe[Numbers] = None
    output: Maybe[str] = None
    capture: Maybe[dict[str, str]] = None
    timeout: Maybe[str] = None
    retry: Maybe[str] = None


class Scenario(Model):
    """Images of a set at work together."""

    scenario: str
    about: Maybe[str] = None
    timeout: Maybe[str] = None
    secrets: Maybe[list[str]] = None
    files: Maybe[dict[str, str]] = None
    volumes: Maybe[list[str]] = None
    containers: dict[str, Container]
    steps: Maybe[list[ScenarioStep]] = None
    checks: Maybe[list[ScenarioStep]] = None
