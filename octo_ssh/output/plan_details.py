"""What a run's plan says of one step on one target, below the line that names them: one function a kind of work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from octo_ssh.model.manifest import Kind
from octo_ssh.model.observed import FileKind, Owed
from octo_ssh.model.plan import PackageStep, Step
from octo_ssh.model.work import (
    ApproveWork,
    FileWork,
    HttpWork,
    LateText,
    LateWord,
    PackageWork,
    Planned,
    ProbeWork,
    ScriptWork,
    ServiceWork,
    WantedFile,
)
from octo_ssh.output.outline import Outline
from octo_ssh.output.printer import Line, Tone
from octo_ssh.output.text import clean, clean_line
from octo_ssh.output.words import amount, listed, size, span

NAMED_ENTRIES = 5
ON_FAILURE = "DeployFailed"
"""Of Octopus's scripts, the one that does not run when all goes well."""


def details(planned: Planned, step: Step, outline: Outline) -> Iterator[Line]:
    """Clean lines, to be indented."""
    for text in _work(planned, step, outline):
        yield Line(clean_line(text), Tone.FAINT)
    if planned.after:
        yield Line(f"decided after {_steps(planned.after, outline)}", Tone.FAINT)
    for condition in planned.conditions:
        yield Line(f"only if {clean_line(condition.template.text)}, {_after(condition, outline)}", Tone.FAINT)
    if isinstance(planned.work, FileWork):
        yield from diff_lines(planned.work.diff)


def diff_lines(diff: tuple[str, ...]) -> Iterator[Line]:
    """The lines of a unified diff, less the two that name the files, in colours."""
    for raw in diff:
        shown = f"{raw[:-1]}␍" if raw.endswith("\r") else raw  # a change of line ends must be seen
        for text in clean(shown).split("\n"):
            yield Line(text, _diff_tone(raw))


def word(text: LateWord) -> str:
    """What is known of a text before the run: itself, or the template that will make it."""
    return text.template.text if isinstance(text, LateText) else text


def _diff_tone(line: str) -> Tone:
    match line[:1]:
        case "+":
            return Tone.GOOD
        case "-":
            return Tone.BAD
        case " ":
            return Tone.PLAIN
        case _:
            return Tone.FAINT


def _work(planned: Planned, step: Step, outline: Outline) -> Iterator[str]:
    match planned.work:
        case None:
            return
        case PackageWork() as work:
            yield from _package(work, step, outline)
        case ScriptWork() as work:
            yield from _as(work.sudo_user)
            if work.reboots:
                yield "the machine restarts in it"
        case ProbeWork() as work:
            yield _probe(work)
        case FileWork() as work:
            yield from _file(work, outline)
        case ServiceWork() as work:
            yield from _service(work, outline)
        case ApproveWork(text):
            yield word(text)
        case _:
            assert_never(planned.work)


def _package(work: PackageWork, step: Step, outline: Outline) -> Iterator[str]:
    """What the reason does not say: it names what is repaired, extra or owed."""
    files = sum(entry.kind is Kind.FILE for entry in work.manifest.entries.values())
    if work.build:
        whole = f"{amount(files, 'file')}, {size(work.manifest.bytes)}"
        lacks_some = 0 < work.lacking_files < files
        sent = f"; lacks {amount(work.lacking_files, 'file')}, {size(work.lacking_bytes)}" if lacks_some else ""
        yield f"{work.to}/releases/{work.folder}: {whole}{sent}"
        if isinstance(step.kind, PackageStep):
            for settings in step.kind.settings:
                yield f"sets {listed(list(settings.values), NAMED_ENTRIES)} in {settings.path}"
    if work.switch:
        now = f"{work.stray} (no complete release)" if work.stray else work.previous or "nothing"
        yield f"current: {now} → {work.folder}"
    wanted = [what for what, act in (("activate", work.activate), ("verify", work.verify)) if act is not None]
    if consequences := [what for what in wanted if work.switch or what in work.owed]:
        yield f"then {' and '.join(consequences)}"
    if work.confirm_s is not None:
        yield f"goes back by itself unless confirmed within {span(work.confirm_s)}"
    scripts = [name for name in work.conventions if name != ON_FAILURE and (work.switch or name in work.owed)]
    if scripts:
        yield f"runs its {listed([f'{name}.sh' for name in scripts], NAMED_ENTRIES)}"
    if ON_FAILURE in work.conventions:
        yield f"where that fails: its {ON_FAILURE}.sh"
    yield from _restarts(work.owes, outline)
    if work.seeds:
        yield f"shared, filled from the package: {listed(work.seeds, NAMED_ENTRIES)}"


def _file(work: FileWork, outline: Outline) -> Iterator[str]:
    """What the reason does not say: it names the path and what differs."""
    about = ", ".join(_of_file(work)) if work.changes else ""
    if about:
        yield about
    yield from _as(work.sudo_user)
    if work.on_change is not None:
        yield "then on_change"
    yield from _restarts(work.owes, outline)


def _of_file(work: FileWork) -> Iterator[str]:
    seen, wanted = work.seen, work.wanted
    if isinstance(work.path, LateText):
        yield f"path {word(work.path)}"
    if seen is None:
        return
    if wanted is None:
        yield size(seen.size)
        return
    is_new = seen.kind is FileKind.ABSENT
    if wanted.late is None and not wanted.holds_secrets and wanted.sha256 != seen.sha256:
        yield size(wanted.size) if is_new else f"{size(seen.size)} → {size(wanted.size)}"
    if is_new:
        yield from _of_new_file(work, wanted)
        if seen.missing_parents and work.parents:
            yield "with the folders above it"


def _of_new_file(work: FileWork, wanted: WantedFile) -> Iterator[str]:
    if wanted.mode is not None:
        yield f"mode {wanted.mode:04o}"
    for what, owner in (("owner", work.owner), ("group", work.group)):
        if owner is not None:
            yield f"{what} {word(owner)}"


def _service(work: ServiceWork, outline: Outline) -> Iterator[str]:
    """What the reason does not say: it names the unit and what is done to it."""
    if isinstance(work.service, LateText):
        yield f"unit {word(work.service)}"
    yield from _as(work.sudo_user)
    yield from _restarts(work.owes, outline)


def _probe(work: ProbeWork) -> str:
    match work.what:
        case HttpWork(url, contains):
            holding = f" holding {word(contains)!r}" if contains else ""
            return f"{word(url)}{holding}, within {span(work.within_s)}"
        case ScriptWork():
            return f"a command, within {span(work.within_s)}"


def _as(user: str | None) -> Iterator[str]:
    if user:
        yield f"as {user}"


def _restarts(owes: tuple[Owed, ...], outline: Outline) -> Iterator[str]:
    """Services that restart because of it."""
    steps = tuple(dict.fromkeys(debt.step for debt in owes if debt.what == "restart"))
    if steps:
        yield f"{_steps(steps, outline)} restarts then"


def _after(late: LateText, outline: Outline) -> str:
    return f"known after {_steps(late.after, outline)}" if late.after else "known when it runs"


def _steps(ids: tuple[str, ...], outline: Outline) -> str:
    return " and ".join(f"'{clean_line(outline.name(step))}'" for step in ids)
