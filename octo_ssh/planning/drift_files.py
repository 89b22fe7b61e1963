"""A file step's file against what its last success left, or what the plan wants (SPEC sections 1 and 5)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from octo_ssh.config.templates import TemplateProblem, render_word
from octo_ssh.model.drift import FindingKind
from octo_ssh.model.observed import FileBaseline, FileKind, FileSeen, Observed
from octo_ssh.model.plan import FileStep, SecretContent, Step
from octo_ssh.model.values import Secret
from octo_ssh.model.work import LateText
from octo_ssh.planning.derive import Underivable
from octo_ssh.planning.diffs import content_diff
from octo_ssh.planning.drift_input import DriftInput
from octo_ssh.planning.drift_verdict import GONE, Verdict
from octo_ssh.planning.places import absolute
from octo_ssh.planning.wanted import Wanted

_WORDS = {
    FileKind.FILE: "file",
    FileKind.FOLDER: "folder",
    FileKind.LINK: "link",
    FileKind.OTHER: "neither file, folder nor link",
}


@dataclass(frozen=True, slots=True)
class _Right:
    """A file as it should be; empty or None: that does not matter."""

    path: str
    present: bool
    sha256: str = ""
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    holds_secrets: bool = False


def check_file(given: DriftInput, verdict: Verdict, target: str, step_id: str, step: Step | None) -> None:
    """Add what differs and what is pending. ``step``: the plan's file step of that id, if it has one."""
    observed = given.observed[target]
    left = observed.baseline.files.get(step_id)
    planned = None if step is None else _planned(given, step, target)
    right = None if left is None else _left(left)
    if isinstance(planned, _Right):
        if left is None:
            verdict.pending.append("never applied here")
        elif told := ", ".join(_wanted_else(planned, left)):
            verdict.pending.append(f"the plan wants {told}")
    if given.against_plan and step is not None:
        if isinstance(planned, Underivable):
            verdict.unknown.append(f"what the plan wants cannot be told: {planned.reason}")
            return
        verdict.pending.clear()
        right = planned
    elif left is None and isinstance(planned, Underivable):
        verdict.pending.append("never applied here")
    if right is not None:
        _compare(given, verdict, observed, step_id, step, right, target)


def _compare(
    given: DriftInput, verdict: Verdict, observed: Observed, step_id: str, step: Step | None, right: _Right, target: str
) -> None:
    seen = observed.files.get(step_id)
    if seen is None or posixpath.normpath(seen.path) != posixpath.normpath(right.path):
        verdict.unknown.append(observed.closed.get(step_id) or f"{right.path} was not looked at")
        return
    match seen.kind:
        case FileKind.UNREADABLE:
            if not verdict.expects(right.path):
                verdict.unknown.append(f"{right.path} may not be looked at")
        case FileKind.ABSENT:
            if right.present:
                verdict.differs(FindingKind.MISSING, right.path, _WORDS[FileKind.FILE], GONE)
        case kind if not right.present:
            verdict.differs(FindingKind.EXTRA, right.path, "absent", _WORDS[kind])
        case FileKind.FILE:
            _compare_content(given, verdict, step_id, step, right, seen, target)
        case kind:
            verdict.differs(FindingKind.KIND, right.path, _WORDS[FileKind.FILE], _WORDS[kind])


def _compare_content(
    given: DriftInput, verdict: Verdict, step_id: str, step: Step | None, right: _Right, seen: FileSeen, target: str
) -> None:
    if right.sha256 and seen.sha256 != right.sha256:
        wanted = given.files.get((step_id, target))
        diff = _diff(given, step, right, seen, wanted) if isinstance(wanted, Wanted) else ()
        verdict.differs(FindingKind.CONTENT, right.path, diff=diff)
    if right.mode is not None and seen.mode != right.mode:
        verdict.differs(FindingKind.MODE, right.path, f"{right.mode:04o}", f"{seen.mode:04o}")
    owner = seen.owner if right.owner is None else right.owner
    group = seen.group if right.group is None else right.group
    if not (_is(owner, seen.owner, seen.uid) and _is(group, seen.group, seen.gid)):
        verdict.differs(FindingKind.OWNER, right.path, f"{owner}:{group}", f"{seen.owner}:{seen.group}")


def _diff(given: DriftInput, step: Step | None, right: _Right, seen: FileSeen, wanted: Wanted) -> tuple[str, ...]:
    """From what it should be to what it is: where that is text, known here, and no secret is near."""
    if step is None or not isinstance(step.kind, FileStep) or isinstance(step.kind.content, SecretContent):
        return ()
    is_known = wanted.file is not None and wanted.file.sha256 == right.sha256 and not wanted.file.holds_secrets
    if not (step.kind.show_diff and is_known and isinstance(wanted.content, Secret)) or seen.content is None:
        return ()
    # What only its owner may read, or might until somebody changed that, has its reasons.
    if right.holds_secrets or any(mode is not None and not mode & 0o077 for mode in (right.mode, seen.mode)):
        return ()
    was = wanted.content.reveal().encode("utf-8", "surrogateescape")
    now = seen.content.decode("utf-8", "surrogateescape")
    return content_diff(was, now, given.loaded.secrets.known(), hides_old=False)


def _left(left: FileBaseline) -> _Right:
    if not left.present:
        return _Right(left.path, present=False)
    return _Right(left.path, True, left.sha256, left.mode, left.owner, left.group, left.holds_secrets)


def _planned(given: DriftInput, step: Step, target: str) -> _Right | Underivable:
    assert isinstance(step.kind, FileStep)
    home = given.observed[target].facts.home
    wanted = given.files.get((step.id, target), Underivable("it was not derived"))
    if isinstance(wanted, Underivable):
        return wanted
    try:
        names = given.scene.names(step, target)
        words = [None if word is None else render_word(word, names) for word in (step.kind.owner, step.kind.group)]
        path = render_word(step.kind.path, names)
    except TemplateProblem as problem:
        return Underivable(problem.message)
    if isinstance(path, LateText) or any(isinstance(word, LateText) for word in words):
        return Underivable("it depends on outputs of steps")
    owner, group = (word if isinstance(word, str) else None for word in words)
    if wanted.file is None:
        return _Right(absolute(path, home), present=False)
    return _Right(absolute(path, home), True, wanted.file.sha256, wanted.file.mode, owner, group)


def _wanted_else(planned: _Right, left: FileBaseline) -> list[str]:
    """What of the plan's wishes is not what was applied, in words."""
    if posixpath.normpath(planned.path) != posixpath.normpath(left.path):
        return [f"it at {planned.path}"]
    if planned.present != left.present:
        return ["it to be there" if planned.present else "it removed"]
    if not planned.present:
        return []
    found = ["other content"] if planned.sha256 and planned.sha256 != left.sha256 else []
    if planned.mode is not None and planned.mode != left.mode:
        found.append(f"mode {planned.mode:04o}")
    for what, then, now in (("owner", planned.owner, left.owner), ("group", planned.group, left.group)):
        # By number where the target has a name: only the target knows whether the two are one.
        if then is not None and then != now and not (then.isdigit() and not now.isdigit()):
            found.append(f"{what} {then}")
    return found


def _is(wanted: str, name: str, number: int | None) -> bool:
    """Whether an owner is the one who is wanted, by name or by number."""
    return wanted == name or (wanted.isdigit() and number is not None and int(wanted) == number)
