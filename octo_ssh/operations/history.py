"""``octo-ssh history drift``: what checks for drift found before, by the records on this machine. Asks no target."""

from __future__ import annotations

from dataclasses import dataclass

from octo_ssh.config.plan import read_plan
from octo_ssh.config.problems import Problems
from octo_ssh.operations.requests import Surroundings
from octo_ssh.output.drift_database import DATABASE
from octo_ssh.output.drift_history import DriftHistory, checked_projects, open_findings, past_checks


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Which checks are wanted."""

    plan_path: str | None = None
    """Only of the plan's project; None: of every one."""
    environment: str | None = None
    """None: of every one."""
    last: int = 20
    """As many checks of each at most."""


def drift_history(request: HistoryRequest, surroundings: Surroundings) -> tuple[DriftHistory, ...]:
    """What is remembered, by project and environment. Raises FileErrors for the plan, StateError."""
    path = surroundings.state / DATABASE
    project = None if request.plan_path is None else _project(request.plan_path)
    return tuple(
        DriftHistory(
            found,
            environment,
            past_checks(path, found, environment, limit=request.last),
            open_findings(path, found, environment),
        )
        for found, environment in checked_projects(path)
        if project in (None, found) and request.environment in (None, environment)
    )


def _project(plan_path: str) -> str:
    problems = Problems()
    read = read_plan(plan_path, problems)
    problems.raise_if_any()
    assert read.plan is not None
    return read.plan.project
