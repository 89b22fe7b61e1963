"""Files of a unit that no file step writes: ``apply`` takes them as they are, so ``plan`` and ``apply`` name them."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

from octo_ssh.config.templates import TemplateProblem
from octo_ssh.model.observed import ServiceBaseline, ServiceSeen
from octo_ssh.model.plan import FileStep
from octo_ssh.planning.before import file_place
from octo_ssh.planning.inputs import Scene

_NAMED = 10
"""Of what is accepted, as much as a sentence holds."""
_OF_THE_SYSTEM = ("/usr/lib/", "/lib/")
"""Where packages of the system keep units."""


def written(scene: Scene, target: str) -> frozenset[str]:
    """What file steps write on a target that was observed: they bring it back, whoever changed it."""
    found: set[str] = set()
    for step in scene.given.loaded.plan.walk():
        if isinstance(step.kind, FileStep) and target in scene.reach[step.id] and not scene.is_skipped(step):
            with suppress(TemplateProblem):  # which its own step tells
                found.add(file_place(scene, step, target) or "")
    return frozenset(map(_real, found))


def accepted(left: ServiceBaseline | None, unit: str, seen: ServiceSeen, own: Collection[str]) -> tuple[str, ...]:
    """What is remembered from now on, and is not as it was left: ``/etc/…/evil.conf (new)``, sorted by path.

    ``own``: what ``written`` gives. Where nobody knows how the files were, the drop-ins that did not come with the
    system are named, and nothing is said of them.
    """
    if not seen.unit_sha256:
        return ()
    if left is None or left.service != unit or not left.unit_sha256 or not left.files:
        if left is not None and left.service == unit and left.unit_sha256 == seen.unit_sha256:
            return ()
        return tuple(path for path in sorted(seen.dropins) if _real(path) not in own and not _is_of_the_system(path))
    rows = sorted(_differing(left, seen))
    return tuple(f"{path} ({what})" for path, what in rows if _real(path) not in own)


def acceptance(accepts: Sequence[str]) -> str:
    """The end of a sentence; empty where there is nothing."""
    if not accepts:
        return ""
    more = f" and {len(accepts) - _NAMED} more" if len(accepts) > _NAMED else ""
    return f"; accepts unit files that no file step writes: {', '.join(accepts[:_NAMED])}{more}"


def _differing(left: ServiceBaseline, seen: ServiceSeen) -> Iterator[tuple[str, str]]:
    for path in {*left.files, *seen.files}:
        then, now = left.files.get(path), seen.files.get(path)
        if then != now:
            yield path, "new" if then is None else "removed" if now is None else "changed"


def _real(path: str) -> str:
    """As a path is compared: ``/lib`` is a link to ``/usr/lib`` almost everywhere."""
    path = posixpath.normpath(path)
    return f"/usr{path}" if path.startswith("/lib/") else path


def _is_of_the_system(path: str) -> bool:
    return path.startswith(_OF_THE_SYSTEM)
