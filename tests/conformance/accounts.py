"""Checks of accounts: the 75 of the base image, and what images change of them."""

from __future__ import annotations

from collections.abc import Iterator

from . import paths
from .facts import Account, Fact, Step
from .finding import Finding, holds, same
from .scene import Group, Scene


def created(scene: Scene, step: Step) -> Iterator[Finding]:
    """Each declared account has its numbers, shell and group, and none got a home directory."""
    for account in scene.facts.accounts.values():
        yield from _account(scene, Fact(step.image, "account", account.name), account)
    wanted, found = scene.facts.accounts, scene.passwd
    missing = sorted(set(wanted) - set(found))
    present = len(wanted) - len(missing)
    yield same(scene.name, step.fact, f"{step.values['accounts']} accounts", f"{present} accounts")
    homes = sorted(set(scene.tree.names(paths.canonical(scene.tree, "/home", follow=True))) & set(wanted))
    yield same(scene.name, step.fact, "no home directory", " ".join(homes) or "no home directory")


def _account(scene: Scene, fact: Fact, account: Account) -> Iterator[Finding]:
    line, group = scene.passwd.get(account.name), scene.groups.get(account.name)
    expected = {"uid": account.uid, "gid": account.gid, "shell": account.shell}
    found = {"uid": line.uid, "gid": line.gid, "shell": line.shell} if line else "no such user"
    yield same(scene.name, fact, expected, found)
    yield same(scene.name, fact, {"group": account.gid}, {"group": group.gid} if group else "no such group")


def changed(scene: Scene, step: Step) -> Iterator[Finding]:
    """The home an image gives an account, unless it is changed again, and the groups the account joins."""
    user = step.text("user")
    line = scene.passwd.get(user)
    changes = [event for event in scene.events if isinstance(event, Step) and event.kind == "usermod"]
    homes = [event for event in changes if event.text("user") == user and event.text("home")]
    if home := step.text("home"):
        if homes[-1].text("home") == home:
            found = f"{user}: home {line.home}" if line else f"{user}: no such user"
            yield same(scene.name, step.fact, f"{user}: home {home}", found)
        else:
            yield Finding(
                scene.name, step.fact, "overtaken", f"home {home}", f"overtaken by {homes[-1].fact}"
            )
    for name in step.texts("groups"):
        group = scene.groups.get(name)
        joined = group is not None and line is not None and (user in group.members or line.gid == group.gid)
        yield holds(scene.name, step.fact, joined, f"{name}: with {user}", _members(group))


def _members(group: Group | None) -> str:
    return "no such group" if group is None else f"with {' '.join(group.members) or 'nobody'}"
