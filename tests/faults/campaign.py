"""Rounds of a fault: how many, from which seed, and what came of them.

``make test`` runs a short seed of each campaign, ``make faults`` (``OCTO_FAULTS=long``) a long one. Round N of a
campaign depends on ``OCTO_FAULTS_SEED`` (1) and on N alone: ``OCTO_FAULTS_ONLY=17`` repeats round 17.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.invariants import Violation
from tests.faults.stand import Stand, in_short
from tests.faults.watching import AFTER_ITS_END, Hit
from tests.integration.farm import Told

IS_LONG = os.environ.get("OCTO_FAULTS") == "long"
SEED = os.environ.get("OCTO_FAULTS_SEED", "1")
ONLY = os.environ.get("OCTO_FAULTS_ONLY", "")
PROPERTY = "faults"
"""The name under which a test's report carries its row of the table."""
_COLUMNS = ("rounds", "hits", "violations", "converged")

Strike = Callable[[random.Random], Told | None]
"""Does its worst to a run, from start to end; what the run told, where it lived to tell it."""


@dataclass(slots=True)
class Tally:
    """What came of the rounds of one fault."""

    fault: str
    times: int = 0
    converged: int = 0
    violations: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    """How the runs ended that were struck and lived to tell it."""
    hits: list[Hit] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """How often else something happened that the table tells."""
    notes: list[str] = field(default_factory=list)
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False)
    """Shown at once, to whoever waits for a long seed."""

    def add(self, number: int, found: list[Violation], told: Told | None = None, *, hits: Iterable[Hit] = ()) -> None:
        """One more round."""
        self.times += 1
        self.converged += not any(violation.rule in ("converges", "ends", "served") for violation in found)
        new = [f"{self.fault}, seed {SEED}, round {number}: {violation}" for violation in found]
        self.violations += new
        self.hits += [hit for hit in hits if hit.where != AFTER_ITS_END]
        if told is not None:
            self.codes[f"exit {told.code}"] += 1
        done = f"{self.fault}: {self.times} done, {len(self.hits)} hits, {len(self.violations)} violations"
        self.tell("\n".join([*new, done]))

    def row(self) -> dict[str, Any]:
        """For the table."""
        places = Counter(f"in {hit.where}" for hit in self.hits)
        counts = [_in_words(places), _in_words(self.codes), _in_words(self.counts)]
        return {
            "fault": self.fault,
            "rounds": self.times,
            "violations": len(self.violations),
            "converged": self.converged,
            "hits": len(self.hits),
            "seconds": sorted(hit.resumed_s for hit in self.hits if hit.resumed_s is not None),
            "details": [text for text in (*counts, *self.notes) if text],
        }

    def expect_none(self) -> None:
        assert not self.violations, "\n".join(self.violations)


def _in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} × {what}" for what, count in sorted(counts.items()))


def rounds(*, short: int, long: int) -> Iterator[int]:
    """The numbers of the rounds to be done."""
    yield from [int(ONLY)] if ONLY else range(long if IS_LONG else short)


def chance_of(fault: str, number: int) -> random.Random:
    """What round ``number`` of a fault draws its chances from."""
    return random.Random(f"{SEED} {fault} {number}")


def goes_on(told: Told) -> list[Violation]:
    """The run has got over the fault by itself."""
    return ends_with(told, 0)


def goes_on_or_is_incomplete(told: Told) -> list[Violation]:
    """It has, or it says that it could not reach everybody, or does not know how something ended."""
    return ends_with(told, 0, 4)


def is_not_well(told: Told) -> list[Violation]:
    """It says that it is not well, in one of the ways that there are."""
    return ends_with(told, 1, 4, 5)


def ends_with(told: Told, *codes: int) -> list[Violation]:
    """The run ends with one of these exit codes."""
    if told.code in codes:
        return []
    return [Violation("all", "goes on", in_short(told))]


def strike(
    stand: Stand,
    tally: Tally,
    number: int,
    fault: Strike,
    *,
    judge: Callable[[Told], list[Violation]] = goes_on,
    once: bool = True,
    may_be_torn: bool = False,
) -> None:
    """One round: a new release is applied, the fault strikes, and all invariants are looked at.

    ``judge`` says what the run that was struck may be like. Where any is broken, the hosts and the controller's records
    begin anew, so that the next round is one of its own.
    """
    stand.new_release(stand.last + 1)
    told = None
    try:
        told = fault(chance_of(tally.fault, number))
        found = [] if told is None else judge(told)
        found += stand.after(told, once=once, may_be_torn=may_be_torn)
    except (AssertionError, subprocess.SubprocessError, OSError) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        found = [Violation("controller", "ends", f"{type(error).__name__} at {where.name}: {str(error)[-1500:]}")]
    tally.add(number, found, told, hits=stand.take_hits())
    if found:
        stand.renew()


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The lines of the table that a run of the suite ends with."""
    wide = max(len(row["fault"]) for row in rows)
    lines = [f"{'fault':{wide}}  {'  '.join(_COLUMNS)}  at work again after"]
    for row in rows:
        lines.append(f"{row['fault']:{wide}}  {_numbers(row)}  {_span(row['seconds'])}".rstrip())
        lines += [f"    {text}" for text in row["details"]]
    total = {column: sum(row[column] for row in rows) for column in _COLUMNS}
    return [*lines, f"{'together':{wide}}  {_numbers(total)}"]


def _numbers(row: dict[str, Any]) -> str:
    return "  ".join(f"{row[column]:{len(column)}}" for column in _COLUMNS)


def _span(seconds: list[float]) -> str:
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.1f} s, at most {seconds[-1]:.1f} s ({len(seconds)} ×)"
