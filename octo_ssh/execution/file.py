"""The file step: write or remove one file, then what follows from a change (SPEC section 4)."""

from __future__ import annotations

import asyncio
import hashlib
import posixpath
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from octo_ssh.execution import baseline
from octo_ssh.execution.context import FileBytes, RunContext, StepEnd
from octo_ssh.execution.hold import Change, Hold
from octo_ssh.execution.script import run_script
from octo_ssh.execution.voice import StepVoice
from octo_ssh.model.observed import FileBaseline, FileKind, FileRequest, FileSeen
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import Step
from octo_ssh.model.values import Secret
from octo_ssh.model.work import FileWork, LateText, WantedFile
from octo_ssh.planning.files import ON_CHANGE, is_right, obstacle
from octo_ssh.remote.file import put_file, remove_file
from octo_ssh.remote.resources import look

NEW_MODE = 0o644
NEW_SECRET_MODE = 0o600
SEND_TIMEOUT_S = 3600.0


@dataclass(slots=True)
class FilePlacement:
    """One file step on one target."""

    context: RunContext
    hold: Hold
    step: Step
    work: FileWork
    voice: StepVoice

    async def run(self) -> StepEnd:
        """Observe what was not known, act, observe again. Raises TargetErrors, FileErrors, SecretError."""
        work, data = await self._resolved()
        seen = work.seen or await self._look(work)
        if (found := obstacle(work, seen)) is not None:
            return await self._failed(StepEnd(Outcome.FAILED, found))
        changed = work.changes and not is_right(work, seen)
        if changed:
            self.hold.outdate()
            if work.owes:
                await self._tell("changing", partial(baseline.owing, debts=work.owes))
            seen = await self._act(work, data, seen)
            if not is_right(work, seen):
                return await self._failed(
                    StepEnd(Outcome.FAILED, f"{seen.path} was written, and is not as it should be")
                )
        # A try before this one may have changed the file.
        due = work.on_change is not None and (
            changed or baseline.owes(self.hold.baseline, step=self.step.id, what=ON_CHANGE)
        )
        if due and work.on_change is not None:
            self.voice.note("on_change")
            end = await run_script(self.hold, work.on_change, self.voice, part=ON_CHANGE)
            if end.outcome is not Outcome.CHANGED:
                return await self._failed(replace(end, outcome=Outcome.FAILED, reason=f"on_change: {end.reason}"))
        holds_secrets = work.wanted is not None and work.wanted.holds_secrets
        return await self._succeeded(seen, holds_secrets=holds_secrets, changed=changed, ran=due)

    async def _resolved(self) -> tuple[FileWork, FileBytes | None]:
        """The work with all that depends on outputs filled in, and the bytes to write."""
        return await asyncio.to_thread(self._resolve)

    def _resolve(self) -> tuple[FileWork, FileBytes | None]:
        work, place, word = self.work, self.hold.name, self.context.word
        work = replace(
            work,
            path=word(work.path, place),
            owner=None if work.owner is None else word(work.owner, place),
            group=None if work.group is None else word(work.group, place),
        )
        if work.wanted is None:
            return work, None
        if work.wanted.late is None:
            return work, self.context.files[self.step.id, place]
        rendered = self.context.value(work.wanted.late, place)
        text = rendered if isinstance(rendered, Secret) else Secret(rendered)
        return replace(work, wanted=_measured(work.wanted, text, holds_secrets=text is rendered)), text

    async def _look(self, work: FileWork) -> FileSeen:
        assert isinstance(work.path, str)
        asked = FileRequest(self.step.id, self.hold.absolute(work.path))
        found = await self.hold.session.observe(look((asked,), {}), sudo=await self.hold.sudo(work.sudo_user))
        return found.files[self.step.id]

    async def _act(self, work: FileWork, data: FileBytes | None, seen: FileSeen) -> FileSeen:
        wanted, sudo = work.wanted, await self.hold.sudo(work.sudo_user)
        if wanted is None:
            return await self.hold.session.act(remove_file(seen.path, expect=seen), sudo=sudo)
        assert not isinstance(work.owner, LateText)
        assert not isinstance(work.group, LateText)
        stays = seen.kind is FileKind.FILE and (seen.sha256, seen.size) == (wanted.sha256, wanted.size)
        return await self.hold.session.act(
            put_file(
                seen.path,
                content=None if stays else data,
                size=wanted.size,
                sha256=wanted.sha256,
                mode=wanted.mode,
                new_mode=NEW_SECRET_MODE if wanted.holds_secrets else NEW_MODE,
                owner=work.owner,
                group=work.group,
                parents=work.parents,
                expect=seen,
            ),
            sudo=sudo,
            timeout_s=SEND_TIMEOUT_S,
        )

    async def _succeeded(self, seen: FileSeen, *, holds_secrets: bool, changed: bool, ran: bool) -> StepEnd:
        present = seen.kind is FileKind.FILE
        user = self.hold.observed.facts.remembered_user(self.work.sudo_user)
        state = FileBaseline(
            seen.path, present, seen.sha256, seen.mode, seen.owner, seen.group, user, holds_secrets=holds_secrets
        )
        outcome = Outcome.CHANGED if changed or ran else Outcome.UNCHANGED
        change = partial(baseline.file_succeeded, step=self.step.id, state=state)
        repaired = {"repaired": [seen.path]} if changed and self.hold.baseline.files.get(self.step.id) == state else {}
        await self._tell("step ended", change, outcome=outcome.value, **repaired)
        if not changed:
            return StepEnd(outcome, "ran on_change" if ran else f"{posixpath.basename(seen.path)} is as it should be")
        return StepEnd(outcome, f"{'wrote' if present else 'removed'} {seen.path}")

    async def _failed(self, end: StepEnd) -> StepEnd:
        await self._tell("step ended", outcome=end.outcome.value)
        return end

    async def _tell(self, what: str, change: Change | None = None, **told: Any) -> None:
        await self.hold.record({"what": what, "step": self.step.id, **told}, change)


def _measured(wanted: WantedFile, text: Secret, *, holds_secrets: bool) -> WantedFile:
    raw = text.reveal().encode("utf-8", "surrogateescape")
    digest = hashlib.sha256(raw).hexdigest()
    return replace(wanted, size=len(raw), sha256=digest, holds_secrets=wanted.holds_secrets or holds_secrets)
