"""Outputs of steps, as far as they can be told before a run: who reads whose, what is remembered (SPEC section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import assert_never

from octo_ssh.config.templates import StepOutputs
from octo_ssh.model.observed import Observed
from octo_ssh.model.plan import GroupStep, ReleasePlan
from octo_ssh.model.values import SecretRef
from octo_ssh.model.work import (
    ApproveWork,
    FileWork,
    HttpWork,
    LateText,
    LateWord,
    PackageWork,
    ProbeWork,
    ScriptValue,
    ScriptWork,
    ServiceWork,
    Work,
)

STEP_IDS = "OCTO_STEP_IDS"
"""For Octopus's functions: a line a step, its name and its id, divided by a tab."""
_OCTOPUS = re.compile(r"Octopus\.Action\[([^\]\n]*)\]", re.IGNORECASE)


def steps_read(plan: ReleasePlan, text: str | None, env: Mapping[str, ScriptValue]) -> tuple[str, ...]:
    """Ids of the steps whose outputs a script names, in the order of the plan.

    It names one with ``OCTO_OUTPUT_<ID>_…``, ``Octopus.Action[<name or id>]``, or a template in its environment. Of a
    script that was not read (None) only its environment tells.
    """
    named = {word.strip().casefold() for word in _OCTOPUS.findall(text or "")}
    late = {step for value in env.values() for step in after(value)}
    return tuple(
        step.id
        for step in plan.walk()
        if not isinstance(step.kind, GroupStep)
        and (
            step.id in late
            or not named.isdisjoint({step.id, step.name.casefold()})
            or f"OCTO_OUTPUT_{step.id.upper()}_" in (text or "")
        )
    )


def step_ids(plan: ReleasePlan, text: str | None) -> dict[str, str]:
    """``OCTO_STEP_IDS``, for a script that may ask for outputs by the names of steps."""
    if text is not None and "octopus.action" not in text.casefold():
        return {}
    steps = [step for step in plan.walk() if not isinstance(step.kind, GroupStep)]
    return {STEP_IDS: "".join(f"{step.name}\t{step.id}\n" for step in steps)}


def after(value: ScriptValue | None) -> tuple[str, ...]:
    """Ids of the steps whose outputs a text uses."""
    return value.after if isinstance(value, LateText) else ()


def uses(work: Work) -> tuple[str, ...]:
    """Ids of the steps whose outputs a step's work depends on, each once."""
    return tuple(dict.fromkeys(_uses(work)))


def _uses(work: Work) -> Iterator[str]:
    match work:
        case ScriptWork():
            yield from (*work.reads, *after(work.cwd))
        case ProbeWork(what=HttpWork(url, contains)):
            yield from (*after(url), *after(contains))
        case ProbeWork(what=ScriptWork() as script):
            yield from _uses(script)
        case PackageWork():
            for part in (*work.conventions.values(), work.activate, work.verify):
                yield from () if part is None else _uses(part)
        case FileWork():
            content = work.wanted.late if work.wanted is not None else None
            words: tuple[LateWord | None, ...] = (work.path, work.owner, work.group, content)
            yield from (step for word in words for step in after(word))
            yield from () if work.on_change is None else _uses(work.on_change)
        case ServiceWork(service=word) | ApproveWork(text=word):
            yield from after(word)
        case ProbeWork():
            raise AssertionError("a probe asks a URL or runs a script")
        case _:
            assert_never(work)


def remembered(observed: Mapping[str, Observed], release: str | None, place: str) -> StepOutputs:
    """The outputs that targets remember, as templates at a place use them; secret ones are remembered nowhere.

    ``output`` is the place's own, else that of whoever said it last in this release.
    """
    said: dict[str, dict[str, Mapping[str, str | SecretRef]]] = {}
    latest: dict[str, str] = {}
    for name, seen in observed.items():
        for step, outputs in seen.baseline.outputs.items():
            said.setdefault(step, {})[name] = outputs.values
            if step not in latest or outputs.release == (release or ""):
                latest[step] = name
    return {
        step: {"output": places.get(place, places[latest[step]]), "outputs": places} for step, places in said.items()
    }
