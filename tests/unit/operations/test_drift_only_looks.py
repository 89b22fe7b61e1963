"""A check for drift is given a connection that cannot act: held by types, and nothing in its way asks for another."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from octo_ssh.model.program import Acting, Reading

ROOT = Path(__file__).parents[3]
OPERATIONS = ROOT / "octo_ssh/operations"
ENTRY = "octo_ssh.operations.drift"
CALLER = "octo_ssh.operations.roster"
"""It makes the connections, and hands them on."""


def source(module: str) -> ast.Module:
    return ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())


def imports(module: str) -> Iterator[tuple[str, str]]:
    """Module and name of whatever it imports."""
    for node in ast.walk(source(module)):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from ((node.module, alias.name) for alias in node.names)


def reached() -> list[str]:
    """The modules of operations that a check consists of, from its entry on."""
    found, pending = [ENTRY], [ENTRY]
    while pending:
        for name, _ in imports(pending.pop()):
            if name.startswith("octo_ssh.operations.") and name not in (*found, CALLER, "octo_ssh.operations.fleet"):
                found.append(name)
                pending.append(name)
    return found


def test_every_module_of_it_is_looked_at() -> None:
    named = {f"octo_ssh.operations.{path.stem}" for path in OPERATIONS.glob("drift*.py")}
    assert named <= set(reached())
    assert "octo_ssh.operations.looking" in reached()


@pytest.mark.parametrize("module", reached())
def test_nothing_in_it_acts_or_holds_what_can(module: str) -> None:
    tree = source(module)
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "act"] == []
    assert not {"Session", "Acting"} & {name for _, name in imports(module)}
    assert not [place for place, _ in imports(module) if place.startswith("octo_ssh.execution")]
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arg) and node.arg == "session"]
    assert {ast.unparse(node.annotation) for node in arguments if node.annotation} <= {"Observer"}
    assert all(node.annotation for node in arguments)


@pytest.mark.parametrize("module", reached())
def test_its_programs_are_of_the_kind_that_reads(module: str) -> None:
    for place, name in imports(module):
        made = getattr(importlib.import_module(place), name) if place.startswith("octo_ssh.remote") else None
        if inspect.isfunction(made):
            kind = typing.get_origin(typing.get_type_hints(made).get("return"))
            assert kind is not Acting, f"{module} takes {name}, which makes a program that acts"


def test_its_own_programs_say_so() -> None:
    from octo_ssh.remote.drift import drift, drift_as

    for program in (drift, drift_as):
        assert typing.get_origin(typing.get_type_hints(program)["return"]) is Reading


ACTS = """
    from octo_ssh.model.program import Acting
    from octo_ssh.transport.session import Observer

    async def look(session: Observer, program: Acting[int]) -> None:
        await session.act(program)
        await session.observe(program)
"""


def test_the_type_checker_refuses_to_act_over_it(tmp_path: Path) -> None:
    (tmp_path / "acts.py").write_text(textwrap.dedent(ACTS))
    words = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--show-error-codes", "--no-pretty"]
    words += ["--follow-imports=silent", f"--cache-dir={tmp_path}/cache", str(tmp_path / "acts.py")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    said = [line.partition("error: ")[2] for line in done.stdout.splitlines() if "error: " in line]
    assert len(said) == 2, done.stdout + done.stderr
    assert said[0] == '"Observer" has no attribute "act"  [attr-defined]'
    assert said[1].endswith("[arg-type]")
