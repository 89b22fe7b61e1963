"""Small runs for the tests of the renderers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from octo_ssh.errors import Position
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import GroupStep, InlineScript, PackageStep, RunStep, Step
from octo_ssh.model.work import PackageWork, Planned, PlannedStep, RunPlan, ScriptWork, Window, Work

HERE = Position("plan.yaml", 1, 1)


def targets(count: int) -> tuple[str, ...]:
    """``web-001`` and so on."""
    return tuple(f"web-{number:03d}" for number in range(1, count + 1))


def script(**env: object) -> ScriptWork:
    return ScriptWork(
        script="echo hello",
        env=env,  # type: ignore[arg-type]
        cwd=None,
        release_dirs={},
        sudo_user=None,
        timeout_s=60.0,
        digest="d" * 64,
    )


def package(**changes: object) -> PackageWork:
    """Release 1.4.2 in place of 1.4.1: one file of 1,200 bytes, 700 of them new."""
    values: dict[str, object] = {
        "package": "shop",
        "to": "/srv/shop",
        "folder": "1.4.2",
        "manifest": Manifest.of([Entry("bin", Kind.DIR, 0o755), Entry("bin/app", Kind.FILE, 0o755, 1200, "a" * 64)]),
        "build": True,
        "switch": True,
        "base": "1.4.1",
        "previous": "1.4.1",
        "seeds": (),
        "shared": (),
        "activate": script(),
        "verify": None,
        "keep": ("1.4.1",),
        "sudo_user": None,
        "lacking_files": 1,
        "lacking_bytes": 700,
    }
    return PackageWork(**{**values, **changes})  # type: ignore[arg-type]


def step(
    name: str, planned: Mapping[str, Planned], *, children: Iterable[PlannedStep] = (), window: Window | None = None
) -> PlannedStep:
    """A step whose id is its name in small letters with underscores."""
    inner = tuple(children)
    kind = GroupStep(tuple(child.step for child in inner)) if inner else RunStep(InlineScript("echo hello"))
    if any(isinstance(one.work, PackageWork) for one in planned.values()):
        kind = PackageStep("shop")  # type: ignore[assignment]
    return PlannedStep(
        step=Step(name, name.lower().replace(" ", "_"), kind, HERE),
        targets=tuple(planned) or inner[0].targets,
        planned=planned,
        children=inner,
        window=window,
    )


def everywhere(
    names: Iterable[str], outcome: Outcome = Outcome.CHANGED, reason: str = "", work: Work | None = None
) -> dict[str, Planned]:
    return {name: Planned(outcome, reason, work) for name in names}


def plan(steps: Iterable[PlannedStep], names: Iterable[str], **changes: object) -> RunPlan:
    values: dict[str, object] = {
        "project": "shop",
        "release": "1.4.2",
        "environment": "staging",
        "targets": tuple(names),
        "steps": tuple(steps),
        "max_failures": 0,
    }
    return RunPlan(**{**values, **changes})  # type: ignore[arg-type]
