"""Small checks for drift, for the tests of what tells of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from octo_ssh.model.drift import DriftReport, Expected, Finding, FindingKind, State, StepDrift, TargetDrift

AT = "2026-11-24T07:03:12Z"
CACHE = Expected("var/cache/**", "the app writes here", date(2027, 3, 1))
OLD = Expected("etc/old.conf", "by hand", date(2026, 10, 1), "deploy_shop")


def changed(path: str = "etc/app.conf", *diff: str) -> Finding:
    return Finding("deploy_shop", FindingKind.CONTENT, path, diff=diff)


def mode(path: str = "bin/shop") -> Finding:
    return Finding("deploy_shop", FindingKind.MODE, path, "0755", "0644")


def step(*findings: Finding, state: State | None = None, id: str = "deploy_shop", **words: Any) -> StepDrift:
    """A step that is what its findings say; its name is its id with spaces."""
    stands = state or (State.DRIFTED if findings else State.IN_SYNC)
    return StepDrift(id, id.replace("_", " ").capitalize(), stands, findings=findings, **words)


def target(name: str, *steps: StepDrift, **words: Any) -> TargetDrift:
    return TargetDrift(name, steps or ((step(),) if not words else ()), **words)


def web(count: int, *steps: StepDrift, first: int = 1) -> list[TargetDrift]:
    """``web-01`` and so on, all alike."""
    return [target(f"web-{number:02}", *steps) for number in range(first, first + count)]


def report(targets: Iterable[TargetDrift], **words: Any) -> DriftReport:
    return DriftReport("shop", "production", AT, tuple(targets), seconds=1.9, **words)


def everything() -> DriftReport:
    """A bit of all that a check can tell."""
    yesterday = "2026-11-23T07:03:12Z"
    drifted = step(changed("etc/app.conf", "@@ -1 +1 @@", "-port = 80", "+port = 81"), mode())
    expected = step(state=State.EXPECTED, expected=((changed("var/cache/x"), CACHE),), unverified=True)
    pending = step(state=State.PENDING, reason="1.4.3 was never applied", id="migrate_database")
    unknown = step(state=State.UNKNOWN, reason="etc: permission denied")
    host_key = Finding(
        "", FindingKind.HOST_KEY, "host key", "as in known_hosts", "IT HAS CHANGED\n  offered: SHA256:bbbb"
    )
    targets = [
        *web(3, drifted, pending),
        target("web-04", expected),
        target("web-05", unknown),
        target("web-06", unreachable="connection refused"),
        target("web-07", unreachable="busy: ann@box applies shop", busy=True),
        target("web-08", unreachable="host key changed", findings=(host_key,)),
        *web(2, step(unverified=True), first=9),
    ]
    ages = {(f"web-0{number}", changed().key): AT if number < 3 else "2026-11-18T07:03:12Z" for number in (1, 2, 3)}
    return report(
        targets,
        ages=ages,
        before={f"web-0{number}": yesterday for number in (1, 2, 3)},
        gone=(("web-09", Finding("deploy_shop", FindingKind.MISSING, "bin/x")),),
        expired=(OLD,),
        unused=(CACHE,),
    )
