"""Which release stands where, read by the real programs from folders of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo_ssh.errors import Unreachable, UsageError
from octo_ssh.model.memory import baseline_text
from octo_ssh.model.observed import Baseline, Owed, PackageBaseline
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.reports import PackageStatus, StatusReport
from octo_ssh.operations.requests import PlanRequest
from octo_ssh.operations.status import status
from octo_ssh.remote.lock import acquire, release
from tests.unit.operations.fleets import LocalFleet

PLAN = """
version: 1
project: shop
packages: {shop: {dir: build}}
variables: {token: {secret: {env: NO_SUCH_VARIABLE_HERE}}, ticket: {prompt: {text: "Which?"}}}
environment: staging
steps:
  - {name: Deploy, package: shop, to: ~/shop}
  - {name: Tell, run: 'echo "$token"', secrets: [token]}
"""


@pytest.fixture
def plan(fleet: LocalFleet) -> Path:
    path = fleet.folder / "plan.yaml"
    path.write_text(PLAN)
    return path


async def ask(fleet: LocalFleet, plan: Path, *limit: str) -> StatusReport:
    request = PlanRequest(str(plan), limit=limit)
    return await status(request, emit=fleet.events.append, make_connector=fleet.make_connector)


async def remember(fleet: LocalFleet, name: str, baseline: Baseline) -> None:
    """What a run leaves behind."""
    session = fleet.session(name)
    await session.act(
        acquire(
            "~/.octo-ssh",
            project="shop",
            environment="staging",
            run="r1",
            token="t",
            ttl_s=90,
            who="{}",
            expect_head="",
            lines=[],
            baseline=baseline_text(baseline),
        )
    )
    await session.act(release("~/.octo-ssh", epoch=1, token="t", project="shop", environment="staging", syslog=""))


def stand(fleet: LocalFleet, name: str, folder: str, *, complete: bool = True) -> None:
    """A release on disk."""
    home = fleet.home(name) / "shop"
    (home / "releases" / folder).mkdir(parents=True)
    (home / ".octo-ssh").mkdir()
    root = (fleet.home(name) / ".octo-ssh").resolve()
    (home / ".octo-ssh" / "owner").write_text(f"1\n{root}\nshop\nstaging\n")
    if complete:
        (home / "releases" / f"{folder}.json").write_text("[]")
    (home / "current").symlink_to(f"releases/{folder}")


async def test_a_target_that_never_had_the_project_has_nothing(fleet: LocalFleet, plan: Path) -> None:
    report = await ask(fleet, plan, "web-1")
    assert (report.project, report.environment) == ("shop", "staging")
    (row,) = report.targets
    assert (row.release, row.outcome, row.packages) == (None, Outcome.UNCHANGED, (PackageStatus("shop", None, True),))
    assert (row.owed, row.lease) == ((), None)
    assert list(fleet.home("web-1").iterdir()) == []


async def test_release_folder_and_what_is_owed_are_told(fleet: LocalFleet, plan: Path) -> None:
    await remember(
        fleet,
        "web-1",
        Baseline(
            release="1.4.2",
            packages={"shop": PackageBaseline("~/shop", "1.4.2_1", "0" * 64, "f" * 64)},
            owed=(Owed("deploy", "shop", "1.4.2", "activate"),),
            due={"1.4.2": ("tell",)},
        ),
    )
    stand(fleet, "web-1", "1.4.2_1")
    stand(fleet, "web-2", "1.4.1", complete=False)
    fleet.broken["web-3"] = Unreachable("refused")
    report = await ask(fleet, plan)
    assert [(row.target, row.outcome, row.release, row.packages, row.owed, row.reason) for row in report.targets] == [
        (
            "web-1",
            Outcome.UNCHANGED,
            "1.4.2",
            (PackageStatus("shop", "1.4.2_1", True),),
            ("activate shop 1.4.2 (step deploy)", "step tell of 1.4.2"),
            "",
        ),
        ("web-2", Outcome.UNCHANGED, None, (PackageStatus("shop", "1.4.1", False),), (), ""),
        ("web-3", Outcome.UNREACHABLE, None, (), (), "refused"),
    ]


async def test_a_lock_that_is_held_is_told(fleet: LocalFleet, plan: Path) -> None:
    where: dict[str, Any] = {"project": "shop", "environment": "staging"}
    await fleet.session("web-1").act(
        acquire(
            "~/.octo-ssh", run="r", token="t", ttl_s=90, who="ada", expect_head="", lines=[], baseline=None, **where
        )
    )
    (row,) = (await ask(fleet, plan, "web-1")).targets
    assert row.lease is not None
    assert row.lease.who == "ada"


async def test_what_was_typed_wrongly_is_bad_usage(fleet: LocalFleet, plan: Path) -> None:
    with pytest.raises(UsageError, match="--limit"):
        await ask(fleet, plan, "web-9")
    with pytest.raises(UsageError, match="there is no plan"):
        await ask(fleet, plan.with_name("nowhere.yaml"))
