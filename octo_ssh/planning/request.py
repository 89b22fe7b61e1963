"""Whom a run is for: the words of the command line against the inventory and the plan (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from octo_ssh.config.plan_templates import outputs_of
from octo_ssh.errors import FileErrors, Problem, UsageError
from octo_ssh.model import select as selectors
from octo_ssh.model.plan import CheckStep, GroupStep, PackageStep, ReleasePlan, RunStep, Step, When
from octo_ssh.planning.reach import in_order, reached
from octo_ssh.planning.skips import skipped_steps

if TYPE_CHECKING:
    from octo_ssh.config.load import Loaded


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What of a plan is wanted, as typed."""

    limit: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    skip_steps: frozenset[str] = frozenset()
    """Names or ids."""
    redeploy: bool = False
    failed: frozenset[str] | None = None
    """What ``@failed`` stands for; None: no last run is known."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Whom a run is for."""

    targets: tuple[str, ...]
    """The run's targets: selected, and reached by some step. In inventory order."""
    once_extra: tuple[str, ...] = ()
    """Others whose memory counts, for a ``once`` step that was done there or an output that is read: observed, never
    changed.
    """
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Why steps are left out, by their ids: ``--skip-step``, another environment. Children of such groups too."""


def select(loaded: Loaded, options: RunOptions) -> Selection:
    """Find out whom the run is for.

    Raises UsageError for unknown words, for selecting nobody, and for leaving out what is required; FileErrors for
    steps that select nobody in this environment, and for what cannot wait for a failure.
    """
    everyone = _named(loaded, (), None, "")
    reach = reached(loaded, everyone)
    skipped = skipped_steps(loaded.plan, options.skip_steps, loaded.environment)
    _check_steps(loaded, reach, skipped)
    chosen = everyone
    if options.limit:
        chosen = _named(loaded, options.limit, options.failed, "--limit")
    if options.exclude:
        out = _named(loaded, options.exclude, options.failed, "--exclude")
        chosen = tuple(name for name in chosen if name not in out)
    targets = in_order(everyone, (name for names in reach.values() for name in names if name in chosen))
    if not targets and not _is_all_here(loaded.plan):
        raise UsageError(_nobody(loaded, options, everyone, chosen))
    extra: list[str] = []
    for step in loaded.plan.walk():
        if step.id in skipped or not (step.on_controller or any(name in targets for name in reach[step.id])):
            continue
        if _is_remembered(step, is_runbook=not loaded.plan.packages):
            extra += reach[step.id]
        extra += [use.target for use in outputs_of(step) if use.target is not None]
    return Selection(targets, in_order(everyone, (name for name in extra if name not in targets)), skipped)


def _is_all_here(plan: ReleasePlan) -> bool:
    """Every step runs on the controller: nobody needs to be selected."""
    return all(step.on_controller for step in plan.walk() if not isinstance(step.kind, GroupStep))


def _is_remembered(step: Step, *, is_runbook: bool) -> bool:
    """Whether the ``once`` step was done is for other targets to say as well."""
    match step.kind:
        case RunStep(unless=unless):
            return step.once and (unless is not None or not is_runbook)
        case CheckStep():
            return step.once and not is_runbook
        case _:
            return False


def _check_steps(loaded: Loaded, reach: Mapping[str, tuple[str, ...]], skipped: Mapping[str, str]) -> None:
    where = f"in {loaded.environment}" if loaded.environment else "in this inventory"
    problems = [
        Problem(step.position, f"'{step.name}' selects no target {where}: correct 'on', or set 'allow_empty: true'")
        for step in loaded.plan.walk()
        if not reach[step.id] and not (step.allow_empty or step.on_controller or step.id in skipped)
    ]
    problems += _waiting_for_failure(loaded.plan.steps, waits=False)
    if problems:
        raise FileErrors(problems)


def _waiting_for_failure(steps: Iterable[Step], *, waits: bool) -> list[Problem]:
    problems: list[Problem] = []
    for step in steps:
        late = waits or step.when is When.FAILURE
        if isinstance(step.kind, GroupStep):
            problems += _waiting_for_failure(step.kind.steps, waits=late)
        elif late and isinstance(step.kind, PackageStep):
            problems.append(
                Problem(
                    step.position,
                    f"the package step '{step.name}' cannot wait for a failure: packages are laid out before the first "
                    "step; use a run step",
                )
            )
    return problems


def _named(loaded: Loaded, items: tuple[str, ...], failed: frozenset[str] | None, flag: str) -> tuple[str, ...]:
    try:
        return selectors.select(
            selectors.parse(items, bare="target"), loaded.inventory, environment=loaded.environment, failed=failed
        )
    except selectors.SelectError as error:
        raise UsageError(f"{flag}: {error}") from None


def _nobody(loaded: Loaded, options: RunOptions, everyone: tuple[str, ...], chosen: tuple[str, ...]) -> str:
    where = f" of environment '{loaded.environment}'" if loaded.environment else ""
    if not everyone:
        return f"no target{where}: the inventory has none there"
    if chosen:
        return f"no step of {loaded.plan.path} runs on {', '.join(chosen[:5])}"
    flags = " and ".join(f"--{flag}" for flag in ("limit", "exclude") if getattr(options, flag))
    return f"{flags} selects no target{where}"
