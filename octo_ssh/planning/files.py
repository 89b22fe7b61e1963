"""File steps: a file as it was seen against what is wanted, and what is to be done about it (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from octo_ssh.config.templates import TemplateProblem, render_late, render_late_word, render_word
from octo_ssh.model.drift import Expected
from octo_ssh.model.observed import FileBaseline, FileKind, FileSeen, Owed
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import FileStep, SecretContent, Step
from octo_ssh.model.program import FileInput
from octo_ssh.model.values import Secret
from octo_ssh.model.work import FileWork, LateText, LateWord, Planned
from octo_ssh.planning.before import Before
from octo_ssh.planning.diffs import content_diff
from octo_ssh.planning.expected import covers
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.outputs import Outlook, uses
from octo_ssh.planning.places import absolute
from octo_ssh.planning.scripts import Folders, script
from octo_ssh.planning.wanted import Wanted, measured, wanted_file

__all__ = ["ON_CHANGE", "Wanted", "is_right", "obstacle", "plan_file", "wanted_file", "with_diff"]

ON_CHANGE = "on_change"
_IN_THE_WAY = {
    FileKind.LINK: "a symbolic link, which octo-ssh does not follow: name the file that it leads to",
    FileKind.FOLDER: "a folder: choose another path, or remove it",
    FileKind.OTHER: "no regular file: choose another path, or remove it",
}


def is_right(work: FileWork, seen: FileSeen) -> bool:
    """Whether the file is as it should be. An owner or group given by number, seen by its name, passes."""
    return not any(_differences(work, seen)) and seen.kind is (
        FileKind.ABSENT if work.wanted is None else FileKind.FILE
    )


def obstacle(work: FileWork, seen: FileSeen) -> str | None:
    """Why the step cannot be done as things are."""
    if seen.kind is FileKind.UNREADABLE:
        who = work.sudo_user or "the login"
        return f"{seen.path} cannot be looked at by {who}: give the step a 'become', or have it opened"
    if seen.kind in _IN_THE_WAY:
        return f"{seen.path} is {_IN_THE_WAY[seen.kind]}"
    if work.wanted is not None and seen.missing_parents and not work.parents:
        return f"the folder of {seen.path} is not there: add 'parents: true', or make it in a step before"
    return None


def plan_file(scene: Scene, step: Step, target: str, folders: Folders, outlook: Outlook, before: Before) -> Planned:
    """What comes of a file step on a target that was observed, its diff left out. Raises TemplateProblem.

    An UNCHANGED one has work where ``before`` says that it is looked at again, and where the baseline does not know it
    so; a FAILED one is tried all the same, as a failure of the run is seen, counted and ignored where that is wanted.
    """
    assert isinstance(step.kind, FileStep)
    observed, wanted = scene.given.observed[target], scene.given.files[step.id, target]
    names = scene.names(step, target)
    path = render_word(step.kind.path, names)
    has_debt = any((debt.step, debt.what) == (step.id, ON_CHANGE) for debt in observed.baseline.owed)
    act = step.kind.on_change
    work = FileWork(
        path=path if isinstance(path, LateText) else absolute(path, observed.facts.home),
        wanted=wanted.file,
        owner=None if step.kind.owner is None else render_word(step.kind.owner, names),
        group=None if step.kind.group is None else render_word(step.kind.group, names),
        parents=step.kind.parents,
        seen=None if isinstance(path, LateText) else observed.files.get(step.id),
        diff=(),
        on_change=None if act is None else script(scene, step, target, act, folders),
        owes=_own_debt(scene, step),
        owed=(ON_CHANGE,) if has_debt and act is not None else (),
        sudo_user=scene.sudo_user(step, target),
    )
    if work.seen is None:
        return Planned(Outcome.CHANGED, "its path depends on outputs", work)
    resolved, _ = _resolved(scene, target, work, wanted, outlook)
    if before.redone_by is None and (entry := _expectation(scene, step, target, resolved)) is not None:
        left = f"{work.seen.path} differs, as is expected until {entry.until}: {entry.reason}"
        if work.owed:
            return Planned(Outcome.CHANGED, _owing(work), replace(work, changes=False))
        return Planned(Outcome.UNCHANGED, left)
    if (found := obstacle(work, work.seen)) is not None and not _may_go(work.seen, before):
        return Planned(Outcome.FAILED, found, work)
    if before.redone_by is not None:
        return Planned(Outcome.CHANGED, f"{work.seen.path}: after '{before.redone_by}'", work)
    if resolved is not None:
        differences = [*_differences(resolved, work.seen), *_numbered(scene, step, target, resolved, work.seen)]
        if differences:
            return Planned(Outcome.CHANGED, f"{work.seen.path}: {', '.join(differences)}", work)
        is_known = scene.waits_for_failure(step) or _is_remembered(scene, step, target, resolved)
        return _unchanged(work, f"{work.seen.path} is as it should be", before, remembered=is_known)
    if outlook.due.isdisjoint(uses(work)) and _was_left_so(scene, step, target, work.seen):
        return _unchanged(work, f"{work.seen.path} is as this release left it", before, remembered=True)
    return Planned(Outcome.CHANGED, f"{work.seen.path}: its content depends on outputs", work)


def with_diff(scene: Scene, step: Step, target: str, work: FileWork, outlook: Outlook) -> FileWork:
    """The work of a file step with the difference that it makes, as far as that is known and may be seen."""
    assert isinstance(step.kind, FileStep)
    if not (work.changes and step.kind.show_diff) or isinstance(step.kind.content, SecretContent) or work.seen is None:
        return work
    resolved, content = _resolved(scene, target, work, scene.given.files[step.id, target], outlook)
    old = work.seen.content if work.seen.kind is FileKind.FILE else b""
    if resolved is None or resolved.wanted is None or not isinstance(content, Secret) or old is None:
        return work
    held = any(
        left.holds_secrets and left.path == work.seen.path
        for left in scene.given.observed[target].baseline.files.values()
    )
    # What only its owner may read has its reasons.
    hides_old = resolved.wanted.holds_secrets or held or not work.seen.mode & 0o077
    secrets = scene.given.loaded.secrets.known()
    return replace(work, diff=content_diff(old, content.reveal(), secrets, hides_old=hides_old))


def _unchanged(work: FileWork, reason: str, before: Before, *, remembered: bool) -> Planned:
    """Nothing is to be done to the file; ``remembered``: nor to the target's memory of it."""
    if before.stirred_by is not None:
        again = f"{reason}, and is looked at again after '{before.stirred_by}'"
        return Planned(Outcome.CHANGED, _owing(work), work) if work.owed else Planned(Outcome.UNCHANGED, again, work)
    if work.owed:
        return Planned(Outcome.CHANGED, _owing(work), replace(work, changes=False))
    if not remembered:
        return Planned(Outcome.UNCHANGED, f"{reason}, and is remembered so", replace(work, changes=False))
    return Planned(Outcome.UNCHANGED, reason)


def _is_remembered(scene: Scene, step: Step, target: str, work: FileWork) -> bool:
    """A check for drift compares with what is remembered: a file that nobody had to touch is, too."""
    observed = scene.given.observed[target]
    left = observed.baseline.files.get(step.id)
    if left is None or work.seen is None or not _is_as_left(work.seen, left):
        return False
    same_user = left.user == observed.facts.remembered_user(work.sudo_user)
    return same_user and (left.holds_secrets or work.wanted is None or not work.wanted.holds_secrets)


def _is_as_left(seen: FileSeen, left: FileBaseline) -> bool:
    now = (seen.path, seen.kind is FileKind.FILE, seen.sha256, seen.mode, seen.owner, seen.group)
    return now == (left.path, left.present, left.sha256, left.mode, left.owner, left.group)


def _owing(work: FileWork) -> str:
    return f"owed since an earlier run: {', '.join(work.owed)}"


def _expectation(scene: Scene, step: Step, target: str, work: FileWork | None) -> Expected | None:
    """The entry of ``drift.ignore`` that covers how the file differs: from what a success left, not from what the plan
    wants since.
    """
    left = scene.given.observed[target].baseline.files.get(step.id)
    if work is None or work.seen is None or left is None or left.path != work.seen.path or is_right(work, work.seen):
        return None
    size = 0 if work.wanted is None else work.wanted.size  # of that content: its digest decides
    kind = FileKind.FILE if left.present else FileKind.ABSENT
    was = FileSeen(left.path, kind, left.mode, left.owner, left.group, size, left.sha256)
    if work.seen.kind is FileKind.UNREADABLE or not is_right(work, was):
        return None
    return next((entry for entry in scene.given.expected if covers(entry, step.id, left.path)), None)


def _resolved(
    scene: Scene, target: str, work: FileWork, wanted: Wanted, outlook: Outlook
) -> tuple[FileWork | None, Secret | FileInput | None]:
    """The work with its late texts filled in from what is remembered, and the content; None where that cannot be."""
    late = wanted.file.late if wanted.file is not None else None
    if late is None and not isinstance(work.owner, LateText) and not isinstance(work.group, LateText):
        return work, wanted.content
    # What ``on_change`` reads makes no difference to the file.
    known = outlook.known(uses(replace(work, on_change=None)), target)
    if known is None:
        return None, None
    try:
        owner, group = (None if word is None else render_late_word(word, known) for word in (work.owner, work.group))
        if late is None or wanted.file is None:
            return replace(work, owner=owner, group=group), wanted.content
        text = render_late(late, scene.given.loaded.secrets, known)
    except TemplateProblem:  # an output that nobody remembers: a secret one, or none at all
        return None, None
    content = text if isinstance(text, Secret) else Secret(text)
    file = measured(wanted.file.mode, content, holds_secrets=isinstance(text, Secret))
    return replace(work, wanted=file, owner=owner, group=group), content


def _was_left_so(scene: Scene, step: Step, target: str, seen: FileSeen) -> bool:
    """The file is as a success of this release left it: all that can be told of content that nobody remembers."""
    baseline = scene.given.observed[target].baseline
    left = baseline.files.get(step.id)
    if left is None or scene.is_runbook or baseline.release != scene.release:
        return False
    if step.id in baseline.due.get(scene.release or "", ()):
        return False
    return _is_as_left(seen, left)


def _may_go(seen: FileSeen, before: Before) -> bool:
    """The steps before may take what is in the way away."""
    match seen.kind:
        case FileKind.UNREADABLE:
            return False
        case FileKind.ABSENT | FileKind.FILE:
            return before.prepares
        case _:
            return before.stirred_by is not None


def _differences(work: FileWork, seen: FileSeen) -> Iterator[str]:
    """What is to be changed, in words; nothing where the file is right."""
    wanted = work.wanted
    if wanted is None:
        if seen.kind is not FileKind.ABSENT:
            yield "to be removed"
        return
    if seen.kind is FileKind.ABSENT:
        yield "new"
        return
    if (seen.size, seen.sha256) != (wanted.size, wanted.sha256):
        yield "other content"
    if wanted.mode is not None and seen.mode != wanted.mode:
        yield f"mode {seen.mode:04o} → {wanted.mode:04o}"
    for what, now, then in (("owner", seen.owner, work.owner), ("group", seen.group, work.group)):
        if then is not None and now != then and not _is_number_of(then, now):
            yield f"{what} {now} → {then}"


def _numbered(scene: Scene, step: Step, target: str, work: FileWork, seen: FileSeen) -> Iterator[str]:
    """Owners by number where the target has names: right if the last success left them so."""
    if work.wanted is None or seen.kind is not FileKind.FILE:
        return
    left = scene.given.observed[target].baseline.files.get(step.id)
    for what, now, then in (("owner", seen.owner, work.owner), ("group", seen.group, work.group)):
        if then is not None and _is_number_of(then, now) and (left is None or getattr(left, what) != now):
            yield f"{what} {now} → {then}"


def _is_number_of(wanted: LateWord | None, name: str) -> bool:
    """The two may be one: only the target knows."""
    return isinstance(wanted, str) and wanted.isdigit() and not name.isdigit()


def _own_debt(scene: Scene, step: Step) -> tuple[Owed, ...]:
    assert isinstance(step.kind, FileStep)
    return () if step.kind.on_change is None else (Owed(step.id, "", scene.release or "", ON_CHANGE),)
