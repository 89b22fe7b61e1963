"""How a target's baseline changes as a run goes on. Pure: each function gives a new baseline.

The baseline is written together with the journal line that tells the same (SPEC section 4, "Consequences"): what is
owed is noted before the act that causes it and cleared when it was done, so a kill between the two leaves a debt that
the next apply sees.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TypeVar

from octo_ssh.model.observed import (
    Baseline,
    Done,
    FileBaseline,
    Owed,
    PackageBaseline,
    ServiceBaseline,
    StepOutputs,
)
from octo_ssh.model.work import Memory

V = TypeVar("V")


def decided(baseline: Baseline, release: str | None, steps: tuple[str, ...]) -> Baseline:
    """The steps of this release that a run has decided to do; what an earlier run of it left undone stays due."""
    key = release or ""
    left = baseline.due.get(key, ())
    return _with_due(baseline, key, (*left, *(step for step in steps if step not in left)))


def of_steps(baseline: Baseline, known: Collection[str]) -> Baseline:
    """Without what is due, owed and held of steps that the plan has no more: nobody could settle it."""
    due = {release: tuple(step for step in steps if step in known) for release, steps in baseline.due.items()}
    return replace(
        baseline,
        due={release: steps for release, steps in due.items() if steps},
        owed=tuple(debt for debt in baseline.owed if debt.step in known),
        held=baseline.held.intersection(known),
    )


def forgetting(baseline: Baseline, gone: Collection[Memory]) -> Baseline:
    """Without what is watched of steps that are gone."""
    return replace(
        baseline,
        packages={step: package for step, package in baseline.packages.items() if ("package", step) not in gone},
        files={step: file for step, file in baseline.files.items() if ("file", step) not in gone},
        services={step: service for step, service in baseline.services.items() if ("service", step) not in gone},
    )


def renamed(baseline: Baseline, names: Mapping[str, str]) -> Baseline:
    """With the packages under the ids that their steps have now, and what those said and owe; ``names``: old to new."""
    return replace(
        baseline,
        packages=_renamed(baseline.packages, names),
        outputs=_renamed(baseline.outputs, names),
        owed=tuple(replace(debt, step=names.get(debt.step, debt.step)) for debt in baseline.owed),
    )


def _renamed(held: Mapping[str, V], names: Mapping[str, str]) -> dict[str, V]:
    """What has a new name takes the place of what had it before, unless that has another one now, too."""
    others = {step: value for step, value in held.items() if step not in names}
    return others | {names[step]: value for step, value in held.items() if step in names}


def holding(baseline: Baseline, steps: Collection[str]) -> Baseline:
    """The ``unless`` of these run steps says that they are done, or should now: they ended well."""
    return replace(baseline, held=baseline.held.union(steps))


def settled(baseline: Baseline, step: str) -> Baseline:
    """The step is no longer due, whichever release left it: should that one come again, another was current since."""
    for key, steps in baseline.due.items():
        baseline = _with_due(baseline, key, tuple(left for left in steps if left != step))
    return baseline


def _with_due(baseline: Baseline, key: str, steps: tuple[str, ...]) -> Baseline:
    due = {name: left for name, left in baseline.due.items() if name != key}
    if steps:
        due[key] = steps
    return replace(baseline, due=due)


def script_succeeded(
    baseline: Baseline, *, step: str, digest: str, release: str | None, run: str, outputs: StepOutputs | None = None
) -> Baseline:
    """A run step ended well. Without a digest (a runbook) only its outputs are remembered."""
    after = with_outputs(settled(baseline, step), step, outputs)
    if not digest:
        return after
    return replace(after, done={**after.done, digest: Done(step, release or "", run)})


def failure_ignored(baseline: Baseline, *, step: str, digest: str, release: str | None, run: str) -> Baseline:
    """A step failed, and that counts nowhere: it is over with for this release, as after a success. What it owes
    stays owed. Without a digest nothing but the decision is settled: files, services and packages are compared anew.
    """
    after = settled(baseline, step)
    if step in after.failed_checks:
        return check_ended(after, step=step, passed=True)
    if not digest:
        return after
    return replace(after, done={**after.done, digest: Done(step, release or "", run, ignored=True)})


def with_outputs(baseline: Baseline, step: str, outputs: StepOutputs | None) -> Baseline:
    """What a step said takes the place of what it said before; None: nothing."""
    others = {name: said for name, said in baseline.outputs.items() if name != step}
    return replace(baseline, outputs=others if outputs is None else {**others, step: outputs})


def owing(baseline: Baseline, debts: tuple[Owed, ...]) -> Baseline:
    """An act is about to happen that causes ``debts``."""
    old = tuple(debt for debt in baseline.owed if all((debt.step, debt.what) != (new.step, new.what) for new in debts))
    return replace(baseline, owed=(*old, *debts))


def owes(baseline: Baseline, *, step: str, what: str) -> bool:
    """A consequence of the step is still to happen."""
    return any((debt.step, debt.what) == (step, what) for debt in baseline.owed)


def file_succeeded(baseline: Baseline, *, step: str, state: FileBaseline) -> Baseline:
    """A file step ended well, its own consequences included."""
    after = settled(baseline, step)
    return replace(
        after,
        files={**after.files, step: state},
        owed=_of_others(after, step),
    )


def service_succeeded(
    baseline: Baseline, *, step: str, state: ServiceBaseline, digest: str, release: str | None, run: str
) -> Baseline:
    """A service step ended well: whatever it owed was done."""
    after = script_succeeded(baseline, step=step, digest=digest, release=release, run=run)
    return replace(
        after,
        services={**after.services, step: state},
        owed=_of_others(after, step),
    )


def check_ended(baseline: Baseline, *, step: str, passed: bool) -> Baseline:
    """A check step saw what it waits for, or did not within its time."""
    after = settled(baseline, step) if passed else baseline
    return replace(
        after,
        passed_checks=after.passed_checks | {step} if passed else after.passed_checks - {step},
        failed_checks=after.failed_checks - {step} if passed else after.failed_checks | {step},
    )


def switching(baseline: Baseline, *, step: str, release: str, debts: tuple[Owed, ...]) -> Baseline:
    """``current`` is about to move: what follows from it is owed, and other releases' successes no longer count."""
    without = replace(
        baseline,
        release=release,
        done={digest: done for digest, done in baseline.done.items() if done.release == release},
        owed=_of_others(baseline, step),
    )
    return owing(without, debts)


def paid(baseline: Baseline, *, step: str, what: str) -> Baseline:
    """One consequence of a step was seen to happen."""
    return replace(baseline, owed=tuple(debt for debt in baseline.owed if (debt.step, debt.what) != (step, what)))


def package_succeeded(
    baseline: Baseline,
    *,
    step: str,
    release: str,
    state: PackageBaseline,
    keep: tuple[str, ...],
    outputs: StepOutputs | None = None,
) -> Baseline:
    """The new release of a package step is current, active and verified. A place has one memory, whatever its step
    was called before.
    """
    before = next((package for package in baseline.packages.values() if package.to == state.to), None)
    elsewhere = {name: package for name, package in baseline.packages.items() if package.to != state.to}
    history = () if before is None else before.history
    if before is not None and before.folder != state.folder:
        history = (before.folder, *history)
    history = tuple(dict.fromkeys(name for name in history if name in keep and name != state.folder))
    after = with_outputs(settled(baseline, step), step, outputs)
    return replace(
        after,
        release=release,
        packages={**elsewhere, step: replace(state, history=history)},
        owed=_of_others(after, step),
    )


def returning(baseline: Baseline, *, step: str, release: str | None, debts: tuple[Owed, ...]) -> Baseline:
    """``verify`` failed: ``current`` is about to go back to ``release``, which is then to be activated.

    Where there is one, it becomes current again, so what the failed release did no longer counts.
    """
    return replace(
        baseline,
        release=release,
        done={digest: done for digest, done in baseline.done.items() if release in (None, done.release)},
        owed=(*_of_others(baseline, step), *debts),
    )


def _of_others(baseline: Baseline, step: str) -> tuple[Owed, ...]:
    """What other steps owe."""
    return tuple(debt for debt in baseline.owed if debt.step != step)
