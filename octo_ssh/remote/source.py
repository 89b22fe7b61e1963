"""The text of the programs, put together from the *.sh files beside this one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from octo_ssh.model.wire import quoted

_BEGIN = re.compile(r"([a-z_]+)\(\) \{")


@cache
def body(*names: str) -> str:
    """The files of these names in one program, after ``lib.sh``: without comments, indentation, and the functions that
    nothing in it calls, for every byte is sent with every exec.

    The same text for every target: parameters travel as words, secrets as input.
    """
    return _joined([piece for name in dict.fromkeys(("lib", *names)) for piece in _read(name)])


@cache
def embedded(variable: str, *names: str) -> str:
    """A line that gives a shell variable the text of these files as another program, for ``sh -c``: with the functions
    of ``lib.sh`` that they call, but without its beginning. It says nothing of itself and has its own parameters.
    """
    functions = [piece for piece in _read("lib") if piece[0]]
    text = _joined([*functions, *(piece for name in names for piece in _read(name))])
    return f"{variable}=" + quoted(text).decode("utf-8")


@cache
def text_of(name: str) -> str:
    """One file alone, without comments and indentation: text that goes into a script."""
    lines = files("octo_ssh.remote").joinpath(f"{name}.sh").read_text("utf-8").splitlines()
    return "\n".join(line.strip() for line in lines if line.strip() and not line.strip().startswith("#"))


def _read(name: str) -> list[tuple[str, str]]:
    return list(_pieces(files("octo_ssh.remote").joinpath(f"{name}.sh").read_text("utf-8")))


def _joined(pieces: list[tuple[str, str]]) -> str:
    """The lines between functions, and those functions that are called."""
    functions = {name: text for name, text in pieces if name}
    wanted: set[str] = set()
    pending = [text for name, text in pieces if not name]
    while pending:
        called = set(re.findall(r"[a-z_]+", pending.pop())) & functions.keys() - wanted
        wanted |= called
        pending.extend(functions[name] for name in called)
    return "\n".join(text for name, text in pieces if not name or name in wanted)


def _pieces(source: str) -> Iterator[tuple[str, str]]:
    """The file's functions, each with its name, and the lines between them, with an empty one."""
    name, lines = "", list[str]()
    for line in source.splitlines():
        begins = _BEGIN.match(line)
        if begins:
            if lines:
                yield name, "\n".join(lines)
            name, lines = begins.group(1), []
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            lines.append(stripped)
        if name and (line == "}" or (begins and line.endswith("}"))):
            yield name, "\n".join(lines)
            name, lines = "", []
    if lines:
        yield name, "\n".join(lines)
