"""Scripts that outlive the connection (SPEC section 7): ``job_launch.sh``, ``job_attach.sh``, ``job_stop.sh``.

The folder of a job holds ``go``, a link that is made once and says who runs it, or that nobody ever will; ``log``:
what it printed, both streams as one, and behind that markers with the job's mark; ``ctl``, a fifo that takes ``stop``;
and in the end ``status``, a link that says how it ended. Links are there at once or not at all, need no disk space, and
reading one leads nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from octo_ssh.model.jobs import Hangup, JobEnd, JobKey, JobPlace, JobSeen, JobState
from octo_ssh.model.program import Acting, Reply
from octo_ssh.model.values import Secret
from octo_ssh.remote import replies, words
from octo_ssh.remote.script import framed
from octo_ssh.remote.source import body, embedded

DEADLINE_GRACE_S = 15
"""A job ends itself that long after its deadline: by then whoever waits for it has ended it, if there still is one."""
FAREWELL = b"stop\n"

_MARK = re.compile(r"[0-9a-f]{32}")
_EXIT = re.compile(r"exit-([0-9]{1,3})((?:\.[a-z]+(?:-[0-9]{1,18})?){0,5})")


def launch(
    job: JobPlace,
    *,
    key: JobKey,
    env: Mapping[str, str | Secret],
    script: str | Secret,
    cwd: str | None,
    timeout_s: float,
    limit_bytes: int,
    hangup: Hangup,
    beat: str = "",
    entered: bool = False,
) -> Acting[JobEnd]:
    """Start the script, once, and hand on what it prints, in section ``output``, until it has ended.

    By the interpreter of its ``#!`` line, else ``sh``. Both streams come as one, standard input is empty. ``cwd``:
    absolute or relative to the home of whoever runs; None means the run's work folder, or ``/`` for those who may not
    go there. After ``limit_bytes`` output is dropped and counted. ``beat``: a file that gets a ``b`` when the script
    begins and an ``e`` when it has ended. ``entered``: the program runs in the job's folder already (``Sudo.inside``).

    When input ends with FAREWELL, the script and all that it started is ended; when it ends without, ``hangup`` says
    what happens. Raises RemoteError for what no shell can hold.
    """
    content, size, divider = framed(env, script)
    return Acting(
        name="the script",
        body="\n".join(
            (
                embedded("o_supervisor", "child", "lease", "job", "job_output", "job_supervise"),
                body("child", "lease", "job", "job_launch"),
            )
        ),
        words=(
            *_place(job, entered),
            cwd or "",
            str(int(words.whole_seconds(timeout_s)) + DEADLINE_GRACE_S),
            str(max(1, limit_bytes)),
            hangup.value,
            beat,
            words.name(key.step),
            words.name(key.part),
            words.digest(key.digest),
            str(size),
            divider,
        ),
        parse=_end,
        input=(content,),
        mark=job.mark,
        farewell=FAREWELL,
    )


def attach(job: JobPlace, *, offset: int, take_void: bool, boot_id: str = "", entered: bool = False) -> Acting[JobEnd]:
    """Hand on what the job prints, or printed, from that byte on, until it has ended.

    ``take_void``: where its launch has not arrived, it never will (VOID). ``boot_id``: of the target when it was
    launched; under another one, what is not there may have been lost with the power: LOST. What a job that is LOST left
    running is ended. Repeatable; as ``launch``, it ends the job when input ends with FAREWELL.
    """
    return Acting(
        name="the script",
        body=body("child", "lease", "job", "job_attach"),
        words=(*_place(job, entered), str(offset), str(int(take_void)), boot_id),
        parse=_end,
        mark=job.mark,
        farewell=FAREWELL,
        repeatable=True,
    )


def stop(job: JobPlace, *, entered: bool = False) -> Acting[JobEnd]:
    """End the job and all that it started, and wait for that; one that has not begun never will. Repeatable.

    The login may stop what runs as another user. A RemoteError tells that it goes on all the same.
    """
    return Acting(
        name="ending the script",
        body=body("child", "lease", "job", "job_stop"),
        words=_place(job, entered),
        parse=_end,
        mark=job.mark,
        repeatable=True,
    )


def seen(reply: Reply) -> tuple[JobSeen, ...]:
    """The section ``jobs`` of ``job_seen.sh``. What another user on the target may have planted there is left out.

    Raises ValueError where it is not there.
    """
    raw = replies.fields(reply.section("jobs"))
    rows = zip(*(iter(raw),) * 5, strict=False)
    return tuple(job for row in rows if (job := _seen(*row)) is not None)


def _seen(run: str, job: str, go: str, status: str, alive: str) -> JobSeen | None:
    match go.split("/"):
        case ["run", _, _, _, step, part, digest, mark]:
            key = JobKey(step, part, digest)
        case _:
            return None
    found = _EXIT.fullmatch(f"exit-{status}") if status else None
    try:
        words.digest(digest)
        for text in (run, job, step, part):
            words.name(text)
    except ValueError:
        return None
    if not _MARK.fullmatch(mark) or (status and not found):
        return None
    if found:
        return JobSeen(run, job, mark, key, JobState.ENDED, int(found[1]))
    return JobSeen(run, job, mark, key, JobState.RUNNING if alive == "1" else JobState.LOST)


def _place(job: JobPlace, entered: bool) -> tuple[str, str]:
    if not _MARK.fullmatch(job.mark):
        raise ValueError("the mark of a job has 32 hexadecimal digits")
    words.name(job.run)
    words.name(job.job)
    return "." if entered else job.folder, job.mark


def _end(reply: Reply) -> JobEnd:
    checked = replies.checked(reply)
    told = dict(checked.sections)
    reason = replies.shown(told.get("reason", b""))
    left = tuple(replies.shown(told.get("survivors", b"")).splitlines())
    for name, _ in checked.sections:
        if found := _EXIT.fullmatch(name):
            return _ended(int(found[1]), found[2].split(".")[1:], reason, left)
    if "void" in told:
        return JobEnd(JobState.VOID, reason=reason)
    if "lost" in told:
        return JobEnd(JobState.LOST, reason=reason, survivors=left)
    raise ValueError("the reply does not tell how the script ended")


def _ended(status: int, notes: list[str], reason: str, left: tuple[str, ...]) -> JobEnd:
    """Raises ValueError for notes that nobody of ours writes."""
    dropped = next((int(note.partition("-")[2] or 0) for note in notes if note.startswith("dropped-")), 0)
    return JobEnd(
        JobState.ENDED,
        status,
        reason or ("cancelled" if "cancelled" in notes else ""),
        left,
        dropped,
        is_late="late" in notes,
        disk_full="full" in notes,
    )
