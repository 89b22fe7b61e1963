"""Whom a run is for: the words of the command line against the inventory and the plan (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from octo_ssh.errors import FileErrors, Problem, UsageError
from octo_ssh.model import select as selectors
from octo_ssh.model.plan import GroupStep, PackageStep, Step, When
from octo_ssh.model.words import nearest

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
    """Others whose memory decides whether a ``once`` step was done: observed, never changed."""
    skipped: frozenset[str] = frozenset()
    """Ids of steps that ``--skip-step`` leaves out, children of skipped groups included."""


def select(loaded: Loaded, options: RunOptions) -> Selection:
    """Find out whom the run is for.

    Raises UsageError for unknown words and for selecting nobody; FileErrors for steps that select nobody in this
    environment, and for what cannot wait for a failure.
    """
    everyone = _named(loaded, (), None, "")
    reach = reached(loaded, everyone)
    _check_steps(loaded, reach)
    chosen = everyone
    if options.limit:
        chosen = _named(loaded, options.limit, options.failed, "--limit")
    if options.exclude:
        out = _named(loaded, options.exclude, options.failed, "--exclude")
        chosen = tuple(name for name in chosen if name not in out)
    targets = _in_order(everyone, (name for names in reach.values() for name in names if name in chosen))
    if not targets:
        raise UsageError(_nobody(loaded, options, everyone, chosen))
    skipped = _skipped(loaded.plan.steps, options.skip_steps)
    extra: list[str] = []
    for step in loaded.plan.walk() if loaded.plan.packages else ():
        if step.once and step.id not in skipped and any(name in targets for name in reach[step.id]):
            extra += reach[step.id]
    return Selection(targets, _in_order(everyone, (name for name in extra if name not in targets)), skipped)


def reached(loaded: Loaded, universe: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Of ``universe``: the targets of each step, by step id. A step in a group reaches the group's targets at most; a
    group has those that some step in it reaches. ``once`` steps have all that come into question.
    """
    found: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []

    def visit(step: Step, within: tuple[str, ...]) -> tuple[str, ...]:
        try:
            mine = selectors.select(
                selectors.parse(step.on, bare="tag"), loaded.inventory, environment=loaded.environment
            )
        except selectors.SelectError as error:
            problems.append(Problem(step.position, f"on: {error}"))
            mine = ()
        names = tuple(name for name in within if name in set(mine))
        if isinstance(step.kind, GroupStep):
            below = [name for child in step.kind.steps for name in visit(child, names)]
            names = _in_order(names, below)
        found[step.id] = names
        return names

    for step in loaded.plan.steps:
        visit(step, tuple(universe))
    if problems:
        raise FileErrors(problems)
    return found


def _check_steps(loaded: Loaded, reach: dict[str, tuple[str, ...]]) -> None:
    where = f"in {loaded.environment}" if loaded.environment else "in this inventory"
    problems = [
        Problem(step.position, f"'{step.name}' selects no target {where}: correct 'on', or set 'allow_empty: true'")
        for step in loaded.plan.walk()
        if not reach[step.id] and not step.allow_empty
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


def _skipped(steps: Sequence[Step], words: frozenset[str]) -> frozenset[str]:
    known: dict[str, Step] = {}

    def gather(some: Iterable[Step]) -> None:
        for step in some:
            known.setdefault(step.id, step)
            known[step.name] = step
            if isinstance(step.kind, GroupStep):
                gather(step.kind.steps)

    gather(steps)
    for word in sorted(words):
        if word not in known:
            raise UsageError(f"--skip-step: the plan has no step '{word}'{nearest(word, known)}")
    found: set[str] = set()
    pending = [known[word] for word in words]
    while pending:
        step = pending.pop()
        found.add(step.id)
        if isinstance(step.kind, GroupStep):
            pending += step.kind.steps
    return frozenset(found)


def _in_order(universe: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    wanted = set(names)
    return tuple(name for name in universe if name in wanted)
