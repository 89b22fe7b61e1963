"""Service steps where nothing is to be done: no systemd is needed to see that none is asked. Where something is, real
ones are in tests/fleet.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.execution import baseline
from octo_ssh.execution.context import StepEnd
from octo_ssh.execution.engine import Engine
from octo_ssh.model.memory import baseline_text, parse_baseline
from octo_ssh.model.observed import Owed, ServiceBaseline, ServiceSeen
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import ServiceState, ServiceStep
from octo_ssh.model.work import Planned, PlannedStep, ServiceWork
from octo_ssh.planning.schedule import Start
from tests.unit.execution.targets import Stand, controller, stand
from tests.unit.planning.builders import service_seen, step

WHO = "nobody-is-this"
RESTART = Owed("other", "", "1.0", "restart")


async def bring(
    target: Stand, seen: ServiceSeen, kind: ServiceStep, *, restart: bool = False, accepts: tuple[str, ...] = ()
) -> StepEnd:
    """Carry a service step for ``shop`` out, as root, whom nobody here may become without a password."""
    work = ServiceWork("shop", kind.state, kind.enabled, restart, seen, (RESTART,), WHO, accepts=accepts)
    planned = PlannedStep(step("go", kind), ("web-1",), {"web-1": Planned(Outcome.UNCHANGED, "", work)})
    engine = Engine(target.context, {"web-1": target.hold}, controller(target.home), {"go": planned}, set())
    return await engine.carry_out(Start("go", "web-1"))


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        (ServiceStep("shop", ServiceState.RUNNING), ServiceBaseline("shop", "active", user=WHO)),
        (ServiceStep("shop", None, True), ServiceBaseline("shop", "", "enabled", user=WHO)),
        (ServiceStep("shop", ServiceState.RUNNING, True), ServiceBaseline("shop", "active", "enabled", user=WHO)),
    ],
)
async def test_a_unit_that_is_right_is_remembered_and_nobody_asks_systemd_or_sudo(
    tmp_path: Path, kind: ServiceStep, left: ServiceBaseline
) -> None:
    target = await stand(tmp_path)
    await target.lock()
    acted = len(target.session.acted)
    end = await bring(target, service_seen(), kind)
    assert (end.outcome, end.reason) == (Outcome.UNCHANGED, "shop: active")
    assert target.session.acted[acted:] == ["writing the journal"]
    assert target.hold.baseline.services == {"go": left}
    assert target.hold.baseline.owed == (), "what did not change causes nothing"


@pytest.mark.parametrize("why", ["differs", "restart", "debt"])
async def test_a_unit_that_differs_or_is_to_restart_is_brought_there(tmp_path: Path, why: str) -> None:
    target = await stand(tmp_path)
    await target.lock()
    if why == "debt":
        await target.hold.record({}, lambda left: baseline.owing(left, (Owed("go", "", "1.0", "restart"),)))
    target.session.breaks["the service step"] = [RemoteError("no systemd here")]
    seen = service_seen("inactive" if why == "differs" else "active")
    end = await bring(target, seen, ServiceStep("shop", ServiceState.RUNNING), restart=why == "restart")
    assert (end.outcome, end.reason) == (Outcome.FAILED, "no systemd here")
    assert RESTART in target.hold.baseline.owed


async def test_who_looks_at_a_unit_is_remembered_and_the_login_by_no_name(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock()
    await bring(target, service_seen(), ServiceStep("shop", ServiceState.RUNNING))
    assert target.hold.baseline.services["go"].user == WHO
    assert parse_baseline(baseline_text(target.hold.baseline), "/x.json") == target.hold.baseline
    assert target.hold.observed.facts.remembered_user(target.hold.observed.facts.user) == ""


async def test_what_is_accepted_is_said_journaled_and_remembered(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock()
    seen = replace(service_seen(), unit_sha256="now", files={"/d/evil.conf": "1"})
    end = await bring(target, seen, ServiceStep("shop", ServiceState.RUNNING), accepts=("/d/evil.conf (new)",))
    assert end.reason == "shop: active; accepts unit files that no file step writes: /d/evil.conf (new)"
    line = json.loads((target.home / ".octo-ssh/journal.jsonl").read_text().splitlines()[-1])
    assert line["accepted"] == ["/d/evil.conf (new)"]
    assert target.hold.baseline.services["go"].files == {"/d/evil.conf": "1"}
    assert parse_baseline(baseline_text(target.hold.baseline), "/x.json") == target.hold.baseline


async def test_files_that_may_not_be_read_are_remembered_as_they_were_left(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock()
    kind = ServiceStep("shop", ServiceState.RUNNING)
    await bring(target, replace(service_seen(), unit_sha256="before", files={"/d/a.conf": "1"}), kind)
    end = await bring(target, replace(service_seen(), files={"/d/a.conf": "unreadable"}), kind)
    left = target.hold.baseline.services["go"]
    assert (end.reason, left.unit_sha256, left.files) == ("shop: active", "before", {"/d/a.conf": "1"})
