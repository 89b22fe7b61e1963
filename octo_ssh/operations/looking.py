"""One look at a target for a plan: as the login, and at the package places of other users as those. Changes nothing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace

from octo_ssh.config.load import Loaded
from octo_ssh.errors import RemoteError
from octo_ssh.model.inventory import Target
from octo_ssh.model.observed import Observed, PackagePlace, PlaceRequest
from octo_ssh.model.program import Sudo
from octo_ssh.planning.places import Place, absolute
from octo_ssh.remote.observe import NEEDED_TOOLS, observe, observe_places
from octo_ssh.transport.session import Observer

TIMEOUT_S = 120.0


async def look_at(loaded: Loaded, target: Target, wanted: tuple[Place, ...], session: Observer) -> Observed:
    """What ``remote.observe`` tells of a target and of its package places. Raises SecretError, and TargetError, also
    for a target without the programs that every deployment needs (SPEC section 7).
    """
    project, environment = loaded.plan.project, loaded.environment
    by_user: dict[str | None, list[PlaceRequest]] = defaultdict(list)
    for place in wanted:
        by_user[place.sudo_user].append(PlaceRequest(place.step_id, place.to, place.shared))
    seen = await session.observe(observe(target.root, project, environment, by_user.pop(None, [])), timeout_s=TIMEOUT_S)
    if missing := NEEDED_TOOLS - seen.facts.tools:
        raise RemoteError(
            f"{target.name}: {', '.join(sorted(missing))} missing on this target",
            hint="coreutils, findutils, grep, tar, gzip and util-linux, or busybox, have all that is needed",
        )
    found: dict[str, PackagePlace] = dict(seen.packages)
    for user, requests in by_user.items():
        # ``~`` is the login's home, whoever looks
        there = [replace(request, to=absolute(request.to, seen.facts.home)) for request in requests]
        more = await session.observe(
            observe_places(seen.facts.root, project, environment, there),
            sudo=await sudo_as(user, loaded, target, seen),
            timeout_s=TIMEOUT_S,
        )
        found.update(more)
    return replace(seen, packages=found)


async def sudo_as(user: str | None, loaded: Loaded, target: Target, seen: Observed) -> Sudo | None:
    """How to look as ``user``; None where the login already is that user. Raises SecretError."""
    if user is None or user == seen.facts.user:
        return None
    password = target.become.password
    return Sudo(user, None if password is None else await asyncio.to_thread(loaded.secrets.reveal, password))
