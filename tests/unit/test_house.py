"""The house rules that no linter holds."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "octo_ssh").rglob("*.py"))
PYTHON_FILES = [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
HEAVY = (
    "apprise",
    "asyncssh",
    "backports.zstd",
    "cryptography",
    "httpx",
    "jinja2",
    "pathspec",
    "pydantic",
    "rich",
    "yaml",
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> Iterator[str]:
    """Every module that the file imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


@pytest.mark.parametrize("path", PYTHON_FILES, ids=name_of)
def test_a_file_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, f"{name_of(path)} has no docstring"
    assert docstring.splitlines()[0].strip()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_no_longer_than_400_lines(path: Path) -> None:
    count = len(path.read_text().splitlines())
    assert count <= 400, f"{name_of(path)} has {count} lines: divide it"


@pytest.mark.parametrize("path", sorted((ROOT / "octo_ssh").rglob("*.sh")), ids=name_of)
def test_a_remote_program_says_what_it_is_and_has_no_heredoc(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("#"), f"{name_of(path)} does not start with a comment"
    assert "<<" not in text.replace("<<=", ""), "a heredoc writes /tmp files on the target"


def test_only_the_ssh_modules_import_asyncssh() -> None:
    users = {path for path in MODULES if any(name.split(".")[0] == "asyncssh" for name in imports_of(path))}
    allowed = {path for path in MODULES if path.match("transport/ssh*.py") or path.match("transport/embedded.py")}
    assert sorted(map(name_of, users - allowed)) == []


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    script = f"import json, sys, octo_ssh.cli; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
