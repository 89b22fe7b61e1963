"""A target that a run holds: its session, its lease, its memory. Everything is written down here, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from octo_ssh.errors import LeaseLost, RemoteError, TargetError
from octo_ssh.execution.context import RunContext
from octo_ssh.execution.steady import ACTING_PATIENCE_S, SteadySession
from octo_ssh.model.events import TargetWarned
from octo_ssh.model.holder import described
from octo_ssh.model.inventory import Target
from octo_ssh.model.jobs import Hangup, JobKey, JobPlace, JobSeen, JobState
from octo_ssh.model.memory import baseline_text, journal_line, line_sha256
from octo_ssh.model.observed import Baseline, Lease, Observed
from octo_ssh.model.program import Sudo
from octo_ssh.planning.places import absolute
from octo_ssh.remote import lock as lock_programs
from octo_ssh.remote.holding import Holding, holding
from octo_ssh.remote.record import record as record_program

R = TypeVar("R")

Change = Callable[[Baseline], Baseline]
"""What a journal line says, done to the baseline."""

TTL_S = 90
RENEW_S = 30


@dataclass(slots=True)
class Hold:
    """One target of a run, from its lease to its release. All writes of its journal go through ``record``."""

    context: RunContext
    target: Target
    session: SteadySession
    observed: Observed
    token: str
    baseline: Baseline = field(init=False)
    lost: str = field(default="", init=False)
    """Why the lease is not ours, or no longer; empty while it is."""
    gone: bool = field(default=False, init=False)
    """The target has left the run."""
    keeps_store: bool = field(default=False, init=False)
    """A push was cut short: what came of it is of use to the next run."""
    boot_id: str = field(init=False)
    """Of the machine as it runs now: a step may restart it."""
    left: list[JobSeen] = field(init=False)
    """Scripts of earlier runs, as they were seen last, that may be taken up."""
    _head: str = field(init=False)
    _epoch: int = field(default=0, init=False)
    _seen_s: float = field(default=0, init=False)
    """When the lease was last seen to be ours."""
    _doubted: str = field(default="", init=False)
    """The sha256 of a line that may have come into the journal, or not; empty for none."""
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _renewal: asyncio.Task[None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.baseline = self.observed.baseline
        self.boot_id = self.observed.facts.boot_id
        self.left = list(self.observed.jobs)
        self._head = self.observed.journal.head

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def root(self) -> str:
        return self.observed.facts.root

    def folder(self, cwd: str | None) -> str | None:
        """The target itself knows where a relative one lies."""
        return cwd

    @property
    def epoch(self) -> int:
        """Of the lease, while it is ours."""
        return self._epoch

    def absolute(self, path: str) -> str:
        """A path of the plan as everybody on the target understands it: ``~`` is the login's home, whoever looks."""
        return absolute(path, self.observed.facts.home)

    @property
    def hangup(self) -> Hangup:
        """A script goes on: who comes next listens to it, and the lease that runs out is not free before its end."""
        return Hangup.LEAVE

    def left_job(self, key: JobKey) -> JobSeen | None:
        """Of what is left; a script that failed, or whose end nobody knows, is not taken up.

        Raises RemoteError where another script of the same step still runs: two at once are never right.
        """
        for job in self.left:
            if job.key == key and (job.state is JobState.RUNNING or job.ended_well):
                self.left.remove(job)
                return job
        for job in self.left:
            if job.key.step == key.step and job.state is JobState.RUNNING:
                raise RemoteError(
                    f"{self.name}: another script of this step still runs here, of run {job.run}",
                    hint=f"apply again when it has ended, or end it: octo-ssh lock --release {self.name}",
                )
        return None

    def outdate(self) -> None:
        """Something is changed here that an earlier run did not change, or did before its scripts ran: what they did
        does not count any more.
        """
        self.left = [job for job in self.left if job.state is JobState.RUNNING]

    async def mend(self, error: TargetError) -> None:
        """Connect again after ``error``. Raises ConnectionLost, HostKeyRefused."""
        await self.session.mend(error)

    def forget(self, job: JobPlace) -> None:
        """It goes with the run's work folder."""

    async def sudo(self, user: str | None) -> Sudo | None:
        """How to become ``user`` here; None where the login already is that user. Raises SecretError."""
        if user is None or user == self.observed.facts.user:
            return None
        password = self.target.become.password
        return Sudo(user, None if password is None else await asyncio.to_thread(self.context.secrets.reveal, password))

    async def acquire(
        self, *, line: Mapping[str, Any], baseline: Baseline, over: Lease | None = None, since: str = ""
    ) -> Lease | lock_programs.Moved | None:
        """Take the lease, also ``over`` another that may be overtaken, and write down what was decided.

        ``since``: what people are told, where that is not now. None: it is ours. A Lease: somebody holds it. Moved: the
        journal went on since this target was observed. A cancellation waits for the answer: a lease that may be ours
        could not be given back otherwise.
        """
        return await _to_its_end(self._acquire(line, baseline, over, since or self.context.now()))

    async def _acquire(
        self, line: Mapping[str, Any], baseline: Baseline, over: Lease | None, since: str
    ) -> Lease | lock_programs.Moved | None:
        identity = self.context.identity
        lines = [] if over is None else [self._line({"what": "took over", "from": described(over)})]
        lines.append(self._line(line, head=line_sha256(lines[0]) if lines else self._head))
        self.lost, asked_s = "", _awake_s()
        try:
            answer = await self.session.act(
                lock_programs.acquire(
                    self.root,
                    project=identity.project,
                    environment=identity.environment,
                    run=identity.run,
                    token=self.token,
                    ttl_s=TTL_S,
                    who=identity.holder(since=since),
                    expect_head=self._head,
                    lines=lines,
                    baseline=baseline_text(baseline),
                    over=over,
                )
            )
        except TargetError as error:
            self.lost = error.beside(self.target.name)
            raise
        match answer:
            case lock_programs.Held(lease):
                return lease
            case lock_programs.Moved():
                return answer
            case lock_programs.Acquired(epoch):
                self._epoch, self.baseline, self._head = epoch, baseline, line_sha256(lines[-1])
                self._seen_s = asked_s
                self.session.patience_s = ACTING_PATIENCE_S
                self._renewal = asyncio.create_task(self._renew())
                return None

    async def record(self, line: Mapping[str, Any], change: Change | None = None) -> None:
        """Write a journal line and the baseline with what the line changes in it; on disk when this returns.

        Steps that run at once write one after another, each on top of the other's. A cancellation waits for it: the
        next line must know whether this one is there.
        """
        await _to_its_end(self._record(line, change))

    async def _record(self, line: Mapping[str, Any], change: Change | None) -> None:
        async with self._writing:
            await self._settle()
            baseline = self.baseline if change is None else change(self.baseline)
            text = self._line(line)
            identity = self.context.identity
            self._doubted = line_sha256(text)
            await self.session.act(
                record_program(
                    self.root,
                    epoch=self._epoch,
                    token=self.token,
                    project=identity.project,
                    environment=identity.environment,
                    head=self._head,
                    lines=(text,),
                    baseline=baseline_text(baseline),
                )
            )
            self.baseline, self._head, self._doubted = baseline, line_sha256(text), ""

    async def assure(self) -> None:
        """See that the lease is ours, and begin its time anew. Raises LeaseLost, which says who has it."""
        program = lock_programs.renew(self.root, epoch=self._epoch, token=self.token, ttl_s=TTL_S)
        asked_s = _awake_s()
        try:
            await self.session.act(program, timeout_s=RENEW_S)
        except LeaseLost as error:
            self.lost = error.beside(self.target.name)
            raise
        self._seen_s = asked_s

    async def assure_after_sleep(self) -> None:
        """``assure``, where that was not seen for so long that this process or its machine must have been suspended."""
        if _awake_s() > self._seen_s + 2 * RENEW_S:
            await self.assure()

    async def look(self) -> Holding:
        """Who holds the target now, and what runs there. Raises TargetError."""
        return await self.session.observe(holding(self.root))

    async def give_back(self) -> None:
        """Give the lease back as if it had never been taken: what was decided is not due any more."""
        await self.release("not begun", baseline=self.observed.baseline)

    async def release(self, outcome: str, *, baseline: Baseline | None = None) -> None:
        """Give the lease back, with a last line of how the run ended here, and the baseline where it changes.

        Never raises: the lease expires anyway.
        """
        if self._renewal is None:
            return
        self._renewal.cancel()
        await asyncio.gather(self._renewal, return_exceptions=True)
        self._renewal = None
        if self.lost:
            return
        identity = self.context.identity
        release = f" {identity.release}" if identity.release else ""
        try:
            await self._settle()
            line = self._line({"what": "run ended", "outcome": outcome})
            unwritten = await self.session.act(
                lock_programs.release(
                    self.root,
                    epoch=self._epoch,
                    token=self.token,
                    project=identity.project,
                    environment=identity.environment,
                    head=self._head,
                    lines=(line,),
                    baseline=None if baseline is None else baseline_text(baseline),
                    syslog=f"{identity.user}@{identity.host} applied {identity.project}{release}: {outcome}"
                    f" (run {identity.run})",
                    keep_store=self.keeps_store,
                ),
                timeout_s=20,
            )
        except TargetError as error:
            self.lost = error.beside(self.target.name)
        else:
            self.baseline, self._head = baseline or self.baseline, line_sha256(line)
            if unwritten:
                self.context.emit(TargetWarned(self.name, f"the end of the run is not in its journal: {unwritten}"))

    async def _settle(self) -> None:
        """Find out whether a line whose writing failed stands in the journal: the next one goes on from it then."""
        if self._doubted:
            head = (await self.look()).head
            self._head = head if head == self._doubted else self._head
            self._doubted = ""

    def _line(self, fields: Mapping[str, Any], *, head: str | None = None) -> bytes:
        identity = self.context.identity
        return journal_line(
            self._head if head is None else head,
            {
                "at": self.context.now(),
                "by": {"user": identity.user, "host": identity.host, "login": self.observed.facts.user},
                "run": identity.run,
                "project": identity.project,
                "environment": identity.environment,
                "release": identity.release,
                **fields,
            },
        )

    async def _renew(self) -> None:
        """Keep the lease alive until it is given back; note when it is no longer ours."""
        while not self.lost:
            await asyncio.sleep(RENEW_S)
            try:
                await self.assure()
            except LeaseLost:
                return
            except TargetError:
                continue  # the step that runs will see the loss for itself; a full disk may have room again later


def _awake_s() -> float:
    """Seconds of a clock that goes on while this machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


async def _to_its_end(work: Coroutine[Any, Any, R]) -> R:
    """The result of work that must not be left half done: a cancellation is passed on when it has ended."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
