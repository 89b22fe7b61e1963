"""YAML syntax errors in words: what the parser says is about tokens, what the user needs is about quotes."""

from __future__ import annotations

import re

MAX_DEPTH = 100
TOO_DEEP = f"values are nested more than {MAX_DEPTH} deep here: flatten them"


def explain(text: str, line: int, column: int, context_line: int, problem: str) -> tuple[int, int, str]:
    """Where (counted from 0) and what: the place to look at, and a message with what to do.

    ``line`` and ``column`` are where the parser stopped, ``context_line`` where the construct it was in began,
    ``problem`` the parser's own words, which are never shown.
    """
    lines = text.splitlines() or [""]
    here = lines[line] if line < len(lines) else ""
    if "\t" in here[: column + 1] and not here[:column].strip():
        return line, here.index("\t"), "a tab is used to indent here: use spaces"
    if "escape" in problem:
        return (
            line,
            max(0, here.rfind("\\", 0, column + 1)),
            "in double quotes a backslash starts an escape: double it, or use single quotes",
        )
    if "nesting depth" in problem:  # libyaml gives up before we do, from 0.2.6 on
        return line, column, TOO_DEEP
    if "end of stream" in problem:
        return context_line, _opening(lines, context_line, "\"'"), "a quote is opened here and never closed: close it"
    is_at_end = line >= len(lines) and problem.startswith(
        ("did not find expected ',' or", "did not find expected node")
    )
    if is_at_end or "<stream end>" in problem:
        start = context_line if context_line < len(lines) else len(lines) - 1
        return start, _opening(lines, start, "[{"), "a bracket is opened here and never closed: close it"
    before = here[:column].strip()
    if (problem.startswith(("did not find expected", "expected <block end>")) and not before) or (
        problem.startswith("mapping values") and _KEY_ALONE.fullmatch(before)
    ):
        return line, len(here) - len(here.lstrip()), _INDENTATION
    for number in dict.fromkeys((line, context_line)):
        if number < len(lines) and (at := _unquoted(lines[number])) is not None:
            return number, at, "this is not YAML: quote this value"
    return line, column, _INDENTATION


def _opening(lines: list[str], number: int, marks: str) -> int:
    line = lines[number] if number < len(lines) else ""
    return min((place for mark in marks if (place := line.find(mark)) >= 0), default=0)


_INDENTATION = "this is not YAML: check the indentation and the ':' after each key"
_KEY_ALONE = re.compile(r"[^\s:#\"'\[{&*!|>%@`-][^:#]*")
_RESERVED = re.compile(r"(?:^|[:\-,\[{]\s*)([@%`*&!][^\s,\]}].*)")
_KEY_AND_VALUE = re.compile(r"\s*(?:- +)*(?:[^\s:#\"'\[{][^:#]*:\s+|- +)(\S.*)")
_STARTS = "{[]}\"'-|>"
"""Characters that begin something else than plain text."""


def _unquoted(line: str) -> int | None:
    """Where in a line the value begins that must be quoted to be read as text."""
    if not line.strip() or line.lstrip().startswith("#"):
        return None
    if found := _RESERVED.search(line):
        return found.start(1)
    if not (found := _KEY_AND_VALUE.match(line)):
        return None
    value = found[1]
    if value[0] in "{[" and "${{" in value:  # a template in a flow collection, where its braces are YAML's
        return found.start(1) + value.index("${{")
    risky = value[0] in _STARTS or re.search(r":(?:\s|$)", value) or "${{" in value
    return found.start(1) if risky else None
