"""The words that many commands share, once each (SPEC section 5)."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import typer


def choices(kind: type[enum.Enum]) -> dict[str, Any]:
    """What typer is told of a word that must be one of a few; ``words.one_of`` reads it. (typer's own enums would
    complain in other words than the rest.)
    """
    known = [choice.value for choice in kind]
    return {"metavar": "|".join(known), "autocompletion": lambda: known}


INVENTORY = "inventory.yaml"
"""Where the commands without a plan look for the inventory."""

PlanFile = Annotated[str, typer.Argument(metavar="PLAN", help="The release plan, a YAML file.")]
Selector = Annotated[
    list[str] | None,
    typer.Argument(metavar="SELECTOR", help="Targets: names, globs, tag:web, env:staging, !c. Default: all."),
]
InventoryFile = Annotated[
    str | None,
    typer.Option("--inventory", "-i", metavar="FILE", help="The inventory. Default: the plan's."),
]
FleetFile = Annotated[str, typer.Option("--inventory", "-i", metavar="FILE", help="The inventory.")]
Environment = Annotated[
    str | None,
    typer.Option("--environment", "-e", metavar="NAME", help="The environment. Default: the plan's."),
]
FleetEnvironment = Annotated[
    str | None, typer.Option("--environment", "-e", metavar="NAME", help="Only targets of this environment.")
]
Release = Annotated[str | None, typer.Option("--release", metavar="VERSION", help="In place of the plan's release.")]
Var = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=TEXT", help="Set a variable; NAME:=YAML for other than text. Repeatable."),
]
Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar="SELECTOR", help="Only these targets; @failed: whom the last run left. Repeatable."
    ),
]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="SELECTOR", help="Not these targets. Repeatable.")
]
SkipStep = Annotated[
    list[str] | None, typer.Option("--skip-step", metavar="STEP", help="Leave out a step, by id or name. Repeatable.")
]
Redeploy = Annotated[bool, typer.Option("--redeploy", help="Do every step again, also where nothing changed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one document; for apply one line an event.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing when all is well.")]
Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Tell more; -vv for tracebacks too.")
]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours. NO_COLOR does the same.")]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask; implied where there is no terminal.")]
Guided = Annotated[
    bool, typer.Option("--guided", help="Ask what to do about a failed step: retry, ignore, leave out, stop.")
]
Approve = Annotated[
    list[str] | None,
    typer.Option("--approve", metavar="STEP=NOTE", help="Approve a step beforehand, by id or name. Repeatable."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Take the yes to a confirmation as given.")]
