"""The answer of ``vars`` for people: a line a variable, and with ``--explain`` where it is from. JSON: the report."""

from __future__ import annotations

import json
from collections.abc import Iterator

from octo_ssh.config.scalars import NumberTooLarge, resolve
from octo_ssh.config.texts import to_text
from octo_ssh.model.reports import Said, Standing, VariableRow, VariablesReport
from octo_ssh.model.values import Expr, Prompt, SecretRef, Template
from octo_ssh.output.document import plain_data
from octo_ssh.output.printer import Line, Tone
from octo_ssh.output.text import clean, clean_line
from octo_ssh.output.words import amount

_WIDEST = 28
_TONES = {
    Standing.VALUE: Tone.PLAIN,
    Standing.SECRET: Tone.CHANGE,
    Standing.PROMPT: Tone.CHANGE,
    Standing.WAITS: Tone.CHANGE,
    Standing.ABSENT: Tone.FAINT,
    Standing.WRONG: Tone.BAD,
}


def vars_lines(report: VariablesReport, *, explain: bool) -> tuple[Line, ...]:
    """Every variable with its value; ``explain``: and who said so, what was written, and what it beat."""
    where = "".join(
        (
            f" in {report.environment}" if report.environment else "",
            f", step {report.step}" if report.step else "",
        )
    )
    title = f"{report.target}{where}: {amount(len(report.variables), 'variable')}"
    width = min(_WIDEST, max((len(row.name) for row in report.variables), default=0))
    lines = [Line(clean_line(title), Tone.TITLE)]
    for row in report.variables:
        lines.append(Line(f"  {clean_line(row.name):<{width}}  {_told(row)}", _TONES[row.standing]))
        if explain:
            lines += [Line(f"  {'':<{width}}    {text}", Tone.FAINT) for text in _reasons(row)]
    return tuple(lines)


def _told(row: VariableRow) -> str:
    match row.standing:
        case Standing.WAITS:
            return f"({clean_line(row.note)})"
        case Standing.ABSENT:
            return f"(no value: {clean_line(row.note)})"
        case Standing.WRONG:
            return f"wrong: {clean_line(row.note)}"
        case _:
            return _shown(row.value)


def _reasons(row: VariableRow) -> Iterator[str]:
    yield f"from {_place(row.said)}"
    if row.said.written != row.value or row.standing in (Standing.WAITS, Standing.ABSENT, Standing.WRONG):
        yield f"written {_shown(row.said.written)}"
    if row.exported != row.name:
        yield f"in scripts ${row.exported}"
    for said in row.beaten:
        yield f"beats {_shown(said.written)} from {_place(said)}"


def _place(said: Said) -> str:
    return clean_line(f"{said.source}, {said.origin}")


def _shown(value: Expr) -> str:
    """A value in one line. A text that would read as something else is quoted."""
    match value:
        case SecretRef():
            return f"secret from {clean_line(str(value))}"
        case Prompt(text=text, secret=secret):
            default = f", else {_shown(value.default)}" if value.has_default else ""
            return f"{'secret, ' if secret else ''}asked for: {clean_line(text)}{default}"
        case Template(text=str(text)) | str(text):
            return text if _reads_as_it_is(text) else json.dumps(clean(text), ensure_ascii=False)
        case None:
            return "null"
        case bool() | int() | float():
            return to_text(value)
        case _:
            return json.dumps(plain_data(value), ensure_ascii=False)


def _reads_as_it_is(text: str) -> bool:
    if text != clean_line(text) or text[:1] in ("", '"', "'", "[", "{"):
        return False
    try:
        return isinstance(resolve(text), str)
    except NumberTooLarge:
        return False
