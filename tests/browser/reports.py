"""Checks for drift to be looked at in a browser: of any size, with names that mean harm if they are let."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from octo_ssh.model.drift import DriftReport, Expected, Finding, FindingKind, State, StepDrift, TargetDrift
from octo_ssh.output.document import timestamp
from octo_ssh.output.drift_history import PastCheck

START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
DIFF = (
    "--- etc/app.conf",
    "+++ etc/app.conf",
    "@@ -3,2 +3,2 @@",
    " [server]",
    "-workers = 8",
    "+workers = 2" + "0" * 300,
)
EDITED = Finding("step-0", FindingKind.CONTENT, "etc/app.conf", diff=DIFF)
OPENED = Finding("step-0", FindingKind.MODE, "bin/start", "0755", "0777")
STOPPED = Finding("step-2", FindingKind.STATE, "shop.service", "active", "inactive")
FLAG = Finding("step-0", FindingKind.CONTENT, "etc/flags")
TRIAL = Expected("etc/flags", "a trial with the marketing department", date(2026, 12, 1))
OLD = Expected("old/*", "nobody knows any more", date(2026, 1, 1), "step-0")
HARMS = (
    "<script>document.title = 'harmed'</script>",
    "<img src=x onerror=\"document.title='harmed'\">",
    '"\' onmouseover="document.title=\'harmed\'" x="',
    "</style></script><script>document.title = 'harmed'</script>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u2066",
    "שלום/עולם",
    "javascript:document.title='harmed'",
    "a\nb\x1b[31m\x00c",
    "x" * 900,
)


def day(number: float) -> str:
    return timestamp(START + timedelta(days=number))


def _step(number: int, findings: tuple[Finding, ...], state: State, reason: str) -> StepDrift:
    mine = tuple(finding for finding in findings if finding.step == f"step-{number}")
    name = f"Step {number + 1}"
    if mine:
        return StepDrift(f"step-{number}", name, State.DRIFTED, findings=mine)
    if number == 0 and state is State.EXPECTED:
        return StepDrift("step-0", name, state, expected=((FLAG, TRIAL),), unverified=True)
    if number == 1 and state in (State.UNKNOWN, State.PENDING):
        return StepDrift("step-1", name, state, reason)
    return StepDrift(f"step-{number}", name, State.IN_SYNC)


def fleet(targets: int, steps: int) -> DriftReport:
    """Of nine targets each, one has drifted twice, one in the same way once, and each other state is there."""
    every: list[TargetDrift] = []
    for number in range(targets):
        name = f"web-{number + 1:03}"
        findings: tuple[Finding, ...]
        match number % 9:
            case 0:
                findings, state, reason = (EDITED, STOPPED), State.DRIFTED, ""
            case 1:
                every.append(TargetDrift(name, unreachable="connection refused by 10.0.0.1 port 22"))
                continue
            case 3:
                findings, state, reason = (OPENED,), State.DRIFTED, ""
            case 4:
                findings, state, reason = (), State.UNKNOWN, "permission denied: etc/keys"
            case 5:
                findings, state, reason = (), State.PENDING, "1.4.3 was never applied"
            case 6:
                findings, state, reason = (), State.EXPECTED, ""
            case _:
                findings, state, reason = (), State.IN_SYNC, ""
        every.append(TargetDrift(name, tuple(_step(at, findings, state, reason) for at in range(steps))))
    ages = {("web-001", EDITED.key): day(0), ("web-001", STOPPED.key): day(-6)}
    return DriftReport(
        project="shop",
        environment="production",
        at=day(0),
        targets=tuple(every),
        expired=(OLD,),
        unused=(TRIAL,),
        seconds=12.3,
        ages=ages,
        before={"web-001": day(-1)},
        gone=(("web-002", OPENED),),
    )


def harmful() -> DriftReport:
    """Every name and reason is one of HARMS."""
    targets = tuple(
        TargetDrift(
            harm,
            (
                StepDrift(
                    harm,
                    harm,
                    State.DRIFTED,
                    harm,
                    (Finding(harm, FindingKind.CONTENT, harm, harm, harm, ("--- " + harm, "+" + harm)),),
                    ((Finding(harm, FindingKind.EXTRA, harm), Expected(harm, harm, date(2026, 12, 1), harm)),),
                    unverified_files=(harm,),
                ),
                StepDrift("pending", harm, State.PENDING, harm),
            ),
            unreachable=harm if number % 2 else "",
        )
        for number, harm in enumerate(HARMS)
    )
    return DriftReport(HARMS[0], HARMS[1], day(0), targets, gone=((HARMS[0], FLAG),))


def past(count: int, targets: int) -> tuple[PastCheck, ...]:
    """The check of today is the last."""
    return tuple(
        PastCheck("shop", "production", day(number - count + 1), 9.0, targets, number % 4, number % 3, 0, 0, targets, 7)
        for number in range(count)
    )
