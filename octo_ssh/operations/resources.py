"""One look at what a target has beyond packages: files, systemd units, and what ``unless`` asks. Changes nothing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from octo_ssh.config.load import Loaded
from octo_ssh.config.templates import Reveal, TemplateProblem, render_value
from octo_ssh.errors import FileErrors
from octo_ssh.model.inventory import Target
from octo_ssh.model.observed import FileRequest, FileSeen, Observed, ServiceSeen
from octo_ssh.model.values import Secret
from octo_ssh.model.work import ScriptValue
from octo_ssh.operations.looking import TIMEOUT_S, sudo_as
from octo_ssh.planning.looks import Looking, Looks, UnlessLook
from octo_ssh.planning.places import absolute
from octo_ssh.planning.wanted import Wanted
from octo_ssh.remote.resources import look
from octo_ssh.remote.unless import LIMIT_S, Unless, unless
from octo_ssh.transport.session import Observer

HASH_TIMEOUT_S = 1800.0
"""Hashing large files on a slow disk."""


async def look_beyond(
    loaded: Loaded, looking: Looking, target: Target, session: Observer, seen: Observed, files: Mapping[str, Wanted]
) -> Observed:
    """The target with its files, units and ``unless``; one exec for each user who looks, another one who asks.

    ``seen``: the first look. Raises FileErrors, SecretError, TargetErrors.
    """
    looks = looking.looks(target.name, files)
    found_files: dict[str, FileSeen] = {}
    found_services: dict[str, ServiceSeen] = {}
    for user, requests in _by_user(looks, seen).items():
        sudo = await sudo_as(user, loaded, target, seen)
        units = looks.services if user is None else {}
        found = await session.observe(look(requests, units), sudo=sudo, timeout_s=HASH_TIMEOUT_S)
        found_files.update(found.files)
        found_services.update(found.services)
    checks: dict[str | None, list[Unless]] = defaultdict(list)
    for one in looking.unless(target.name, seen):
        checks[one.sudo_user].append(await ready(one, loaded.secrets))
    statuses: dict[str, int] = {}
    for user, asked in checks.items():
        statuses |= await ask_unless(asked, user, loaded, target, session, seen)
    return replace(seen, files=found_files, services=found_services, unless=statuses)


def _by_user(looks: Looks, seen: Observed) -> Mapping[str | None, list[FileRequest]]:
    """What each user looks at; the login (None) also where it only asks systemd."""
    by_user: dict[str | None, list[FileRequest]] = defaultdict(list)
    if looks.services:
        by_user[None] = []
    for one in looks.files:
        user = None if one.sudo_user == seen.facts.user else one.sudo_user
        by_user[user].append(replace(one.request, path=absolute(one.request.path, seen.facts.home)))
    return by_user


async def ready(look: UnlessLook, reveal: Reveal) -> Unless:
    """A command with what it is given. Raises FileErrors, SecretError."""
    return Unless(look.step_id, await asyncio.to_thread(environment, look.env, reveal), look.script)


async def ask_unless(
    checks: Sequence[Unless], user: str | None, loaded: Loaded, target: Target, session: Observer, seen: Observed
) -> Mapping[str, int]:
    """The exit status of each command, all asked as one user (None: the login), by step id. Raises SecretError,
    TargetErrors.
    """
    sudo = await sudo_as(user, loaded, target, seen)
    patience_s = TIMEOUT_S + LIMIT_S * len(checks)
    return await session.observe(unless(checks), sudo=sudo, timeout_s=patience_s)


def environment(env: Mapping[str, ScriptValue], reveal: Reveal) -> dict[str, str | Secret]:
    """What is exported to a command that only looks: there is no run, so no step has said anything yet.

    Secrets are read, which may run programs: call it in a thread. Raises FileErrors, SecretError.
    """
    try:
        return {name: render_value(value, reveal, {}) for name, value in env.items()}
    except TemplateProblem as error:  # it fails on what only a secret's value tells
        raise FileErrors([error.problem]) from None
