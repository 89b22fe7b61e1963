"""Jump hosts: reading one, and following chains of them (SPEC section 3).

A list of hops is walked from the controller: the first hop is reached by its own jump, if it is a target with one;
each later hop through the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from octo_ssh.config.problems import Problems, nearest
from octo_ssh.config.values import BadValue
from octo_ssh.model.inventory import Hop, Target

_ADDRESS = re.compile(r"(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?")
_HOST = re.compile(r"[\w][\w.%:-]*")
_USER = re.compile(r"[^\s\x00-\x1f\x7f@:/'\"\\-][^\s\x00-\x1f\x7f@:/'\"\\]*")


def check_host(text: str) -> str:
    """A host name or address, without brackets; BadValue for anything else."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "@" in host:
        raise BadValue(f"'{text}' is no host name: write the user at 'user'")
    if host.count(":") == 1:
        raise BadValue(f"'{text}' is no host name: write the port at 'port'")
    if not _HOST.fullmatch(host) and not (":" in host and re.fullmatch(r"[0-9a-fA-F:.]+(?:%\w+)?", host)):
        raise BadValue(f"'{text}' is no host name or address")
    return host


def check_user(text: str) -> str:
    """A login name; BadValue for anything else."""
    if not _USER.fullmatch(text):
        raise BadValue(f"'{text}' is no user name")
    return text


def parse_hop(text: str, targets: Collection[str]) -> Hop:
    """A target's name, or ``user@host:port`` with at least one of user and port; IPv6 stands in brackets.

    A target's name may also stand where the host does: ``admin@bastion`` is that target as another user.
    """
    if text in targets:
        return Hop(text, is_target=True)
    found = _ADDRESS.fullmatch(text)
    if "," in text:
        raise BadValue(f"'{text}' is no jump host: write several as a list")
    if not found:
        raise BadValue(f"'{text}' is no jump host: write user@host:port, an IPv6 address in brackets")
    user, bracketed, host, port = found.groups()
    if user is None and port is None and bracketed is None:
        raise BadValue(f"unknown target '{text}'{nearest(text, targets)}: a host that is no target is user@host:port")
    if port is not None and not 1 <= int(port) <= 65535:
        raise BadValue(f"the port in '{text}' must be from 1 to 65535")
    return Hop(
        check_host(bracketed or host),
        check_user(user) if user else None,
        int(port) if port is not None else None,
        is_target=host in targets,
    )


def refuse_cycles(targets: Mapping[str, Target], problems: Problems) -> None:
    """Add a problem for every target whose way leads through itself."""
    settled: set[str] = set()
    for start in targets:
        way: list[str] = []
        name: str | None = start
        while name is not None and name not in settled and name not in way:
            way.append(name)
            name = _first_hop(targets[name])
        if name in way:
            loop = [*way[way.index(name) :], name]
            first = targets[min(loop, key=list(targets).index)]
            problems.add(first.position, f"the jumps go in a circle, {' → '.join(loop)}: remove one of them")
        settled.update(way)


def _first_hop(target: Target) -> str | None:
    jump = target.jump if target.jump is not None else target.fallback.jump
    return jump[0].name if jump and jump[0].is_target else None


def shared_jump(name: str, hops: tuple[Hop, ...]) -> tuple[Hop, ...] | None:
    """The ``jump`` of ``defaults`` as it is for one target: a hop of it is reached through those before it."""
    names = [hop.name for hop in hops if hop.is_target]
    if name not in names:
        return hops
    before = hops[: next(index for index, hop in enumerate(hops) if hop.is_target and hop.name == name)]
    return before or None
