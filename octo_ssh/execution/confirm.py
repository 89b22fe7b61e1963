"""A release that waits for its confirmation (SPEC section 8): the target is armed before the switch, and goes back by
itself unless the controller comes back over a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from octo_ssh.errors import ConnectionLost, LeaseLost, RemoteError, TargetError
from octo_ssh.execution.fence import take_right
from octo_ssh.execution.hold import Hold
from octo_ssh.execution.script import environment, script_text
from octo_ssh.model.timers import TimerSeen, Verdict
from octo_ssh.model.work import PackageWork, ScriptWork
from octo_ssh.remote.arm import Arming, WayBack, arm, beats
from octo_ssh.remote.confirm import confirm, disarm
from octo_ssh.remote.grant import FlipLost
from octo_ssh.transport.session import Session

SPARE_S = 15.0
"""What a script may take beyond its timeout, until its target has ended it."""
CONTACT_S = 120.0
"""How long the target is tried when it should have gone back: a network takes its time to come back, too."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
ARM_TIMEOUT_S = 120.0
"""A target that is going back to what was before an earlier run may take half of that to be done."""
ASK_S = 10
"""How long the target itself waits for what goes on there, before it tells."""


@dataclass(slots=True)
class Timer:
    """What a target does if nobody comes."""

    hold: Hold
    work: PackageWork
    token: str
    """Its own."""
    way_back_s: float
    """What the scripts of the way back may take."""
    refusal: str = field(default="", init=False)
    """What the first new connection met that could not be made."""

    @classmethod
    async def armed(
        cls, hold: Hold, work: PackageWork, *, scripts: Iterable[ScriptWork], way_back: Mapping[str, ScriptWork]
    ) -> Timer:
        """Arm the target. ``scripts``: those of the step; ``way_back``: those of the old release, in order.

        Raises LeaseLost without the right to switch, RemoteError where no timer can be started, and what scripts raise.
        """
        assert work.confirm_s is not None
        context = hold.context
        timer = cls(hold, work, secrets.token_hex(8), sum(script.timeout_s + SPARE_S for script in way_back.values()))
        run, back = context.identity.run, work.previous or "nothing"
        about = Arming(
            token=timer.token,
            run=run,
            new=work.folder,
            old=work.previous,
            since=context.now(),
            within_s=work.confirm_s,
            bound_s=work.confirm_s + sum(script.timeout_s + SPARE_S for script in scripts),
            told=f"{work.to} went back to {back} by itself: nobody confirmed {work.folder} in time (run {run})",
        )
        ready = [await timer._ready(name, script) for name, script in way_back.items()]
        program = arm(work.to, about, ready, epoch=hold.epoch, token=hold.token)
        try:
            seen = await hold.session.act(program, sudo=await hold.sudo(work.sudo_user), timeout_s=ARM_TIMEOUT_S)
        except FlipLost as error:
            await hold.assure()  # tells who has the lease
            raise LeaseLost(error.message, hint=error.hint) from None
        if seen.verdict is not None or not seen.runs:
            raise RemoteError(
                "the timer that is to take the release back ended at once",
                hint="nothing was switched; apply again",
            )
        return timer

    @property
    def beats(self) -> str:
        """The file that tells it when scripts of the step begin and end: it does not count meanwhile."""
        return beats(self.work.to, self.token)

    async def confirm(self) -> TimerSeen:
        """Say that all is well, over a new connection: as often as it takes, until what became of it is known.

        Raises ConnectionLost when nobody could be asked for long enough.
        """
        return await self._decided(Verdict.CONFIRMED)

    async def await_verdict(self) -> TimerSeen | None:
        """What the target decided by itself after a connection was lost; None: nothing, or that cannot be told."""
        try:
            return await self._decided(None)
        except TargetError:
            return None

    async def take_back(self) -> TimerSeen:
        """The controller goes back, and the target must not do so too; whoever was first. Raises TargetErrors."""
        seen = await self._ask(self.hold.session, Verdict.RETURNED)
        if seen.verdict is None:
            raise RemoteError("the timer there cannot be stopped: is the disk read-only?")
        return seen if seen.verdict is not Verdict.REVERTED or seen.is_done else await self._decided(None)

    async def call_off(self) -> TimerSeen | None:
        """Nothing was switched. How it ended, where that is not by this; it may have been called off by itself."""
        try:
            seen = await self.take_back()
            if seen.verdict is Verdict.REVERTED:
                return seen
            await self.clear()
        except TargetError:
            return None  # there is nothing that it could go back from
        return None

    async def clear(self) -> None:
        """Leave nothing of it on the target."""
        await clear(self.hold, self.work)

    async def regain(self) -> None:
        """The right to switch, which the target took to go back. Raises LeaseLost."""
        await take_right(self.hold, self.work)

    async def _decided(self, verdict: Verdict | None) -> TimerSeen:
        assert self.work.confirm_s is not None
        loop = asyncio.get_running_loop()
        contact_until = loop.time() + self.work.confirm_s + CONTACT_S
        done_until = contact_until + self.way_back_s
        pause_s = FIRST_PAUSE_S
        while True:
            last: TargetError | None = None
            try:
                seen = await self._anew(verdict)
            except TargetError as error:  # whatever the release broke: its network, sshd, host keys, sudo
                last = error
                self.refusal = self.refusal or error.beside(self.hold.name)
            else:
                if seen.verdict is not None and not (seen.verdict is Verdict.REVERTED and seen.runs):
                    return seen
                if verdict is not None and seen.verdict is None:
                    raise RemoteError("the confirmation could not be written down there: is the disk read-only?")
                contact_until = max(contact_until, loop.time() + CONTACT_S)
                if seen.verdict is None and not seen.runs:
                    raise RemoteError("the timer that was to take the release back was ended by somebody")
            if loop.time() + pause_s > min(contact_until, done_until):
                told = "it is still going back" if last is None else last.beside(self.hold.name)
                raise ConnectionLost(f"{self.hold.name}: nobody can tell whether it went back by itself: {told}")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _anew(self, verdict: Verdict | None) -> TimerSeen:
        """Over a connection of its own: that it can be made is what is confirmed."""
        session = await self.hold.context.connect(self.hold.target)
        try:
            return await self._ask(session, verdict)
        finally:
            with contextlib.suppress(TargetError):
                await session.close()

    async def _ask(self, session: Session, verdict: Verdict | None) -> TimerSeen:
        program = confirm(self.work.to, self.token, verdict, patience_s=ASK_S)
        seen = await session.act(program, sudo=await self.hold.sudo(self.work.sudo_user), timeout_s=3 * ASK_S)
        if seen is None:
            raise RemoteError(f"{self.work.to}/.octo-ssh was cleared by somebody: nothing is known of the timer there")
        return seen

    async def _ready(self, name: str, script: ScriptWork) -> WayBack:
        context, place = self.hold.context, self.hold.name
        env = await asyncio.to_thread(environment, script, context, place)
        cwd = None if script.cwd is None else await asyncio.to_thread(context.word, script.cwd, place)
        return WayBack(name, env, script_text(script), self._absolute(cwd), script.timeout_s)

    def _absolute(self, cwd: str | None) -> str | None:
        return None if cwd is None else self.hold.absolute(cwd)


async def overtake(hold: Hold, work: PackageWork, timers: Iterable[TimerSeen]) -> None:
    """The timers of other runs, which had this target before, do not go back any more. Raises TargetErrors."""
    for timer in timers:
        if timer.verdict is None:
            program = confirm(work.to, timer.token, Verdict.OVERTAKEN, patience_s=ASK_S)
            seen = await hold.session.act(program, sudo=await hold.sudo(work.sudo_user), timeout_s=3 * ASK_S)
            if seen is not None and seen.verdict is Verdict.REVERTED:
                raise RemoteError(
                    f"{work.to} went back to {timer.old or 'nothing'} by itself while it was looked at",
                    hint="nothing was changed; apply again",
                )


async def clear(hold: Hold, work: PackageWork) -> None:
    """Remove records of what was decided. Raises TargetErrors."""
    await hold.session.act(disarm(work.to), sudo=await hold.sudo(work.sudo_user))
