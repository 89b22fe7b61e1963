"""The lease of a target: ``acquire.sh``, ``renew.sh``, ``release.sh``, ``free.sh`` (SPEC section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from octo_ssh.model.memory import line_sha256
from octo_ssh.model.observed import Lease
from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body

_NAME_DIGITS = 120
_MAX_WHO_BYTES = 450
"""What a holder may say of itself; in hexadecimal it is part of a link, which file systems bound at 1,000 bytes."""


@dataclass(frozen=True, slots=True)
class Acquired:
    """The lease is ours, and what was to be written is written."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody holds the lease. Nothing was changed."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Moved:
    """The journal went on since the target was observed, or whom we were to overtake gave the lease back. Nobody holds
    it.
    """


@dataclass(frozen=True, slots=True)
class Freed:
    """A lease that was ended."""

    lease: Lease
    unwritten: str = ""
    """Why the journal does not tell of it; empty when it does."""


def acquire(
    root: str,
    *,
    project: str,
    environment: str | None,
    run: str,
    token: str,
    ttl_s: int,
    who: str,
    expect_head: str,
    lines: Sequence[bytes],
    baseline: bytes | None,
    over: Lease | None = None,
) -> Acting[Acquired | Held | Moved]:
    """Take the lease, write journal lines and baseline, make the run's work folder. Makes ``root`` where it is missing.

    ``expect_head``: the journal's head as it was observed. ``over``: a lease that may be overtaken
    (``planning.leases``), exactly as it was seen; when its holder has renewed it meanwhile, it is held.
    In the work folders of other runs nothing is started any more.
    """
    content, size, divider = memory(lines, baseline)
    return Acting(
        name="lock",
        body=body("lease", "memory", "job", "work", "acquire"),
        words=(
            root,
            words.name(project),
            words.environment_name(environment),
            words.name(run),
            lease_token(token),
            str(ttl_s),
            _encoded(who),
            expect_head,
            "" if over is None else over.link,
            last_sha256(lines),
            str(size),
            divider,
        ),
        parse=_acquired,
        input=(content,),
        repeatable=True,
    )


def renew(root: str, *, epoch: int, token: str, ttl_s: int) -> Acting[None]:
    """Begin the lease's time anew. Its reply is a LeaseLost when the lease is no longer ours."""
    return Acting(
        name="renewing the lock",
        body=body("lease", "renew"),
        words=(root, str(epoch), lease_token(token), str(ttl_s)),
        parse=replies.done,
        repeatable=True,
    )


def release(
    root: str,
    *,
    epoch: int,
    token: str,
    project: str,
    environment: str | None,
    head: str = "",
    lines: Sequence[bytes] = (),
    baseline: bytes | None = None,
    syslog: str = "",
    keep_store: bool = False,
) -> Acting[str]:
    """Remove the work folders of runs that have ended, write the last lines, give the lease back, tell the target's
    syslog.

    ``keep_store``: a push was cut short, and the next one goes on with what came; else the store goes, too.
    ``head``: of the journal before these lines. Its answer is why they could not be written, empty when they were; the
    lease is given back in any case. Its reply is a LeaseLost, and nothing is written, when the lease is no longer ours.
    """
    content, size, divider = memory(lines, baseline)
    return Acting(
        name="releasing the lock",
        body=body("lease", "memory", "job", "work", "release"),
        words=(
            root,
            str(epoch),
            lease_token(token),
            words.name(project),
            words.environment_name(environment),
            "".join(char if char.isprintable() else " " for char in syslog)[:900],
            head,
            last_sha256(lines),
            str(size),
            divider,
            "1" if keep_store else "0",
        ),
        parse=_unwritten,
        input=(content,),
        repeatable=True,
    )


def free(root: str, lease: Lease, *, head: str = "", lines: Sequence[bytes] = ()) -> Acting[Freed | None]:
    """End this lease, whoever holds it, with journal lines after ``head``; in work folders nothing is started any more.

    Its answer is None when that lease was over already: nothing is written then.
    """
    content, size, divider = memory(lines, None)
    return Acting(
        name="freeing the lock",
        body=body("lease", "memory", "job", "work", "free"),
        words=(root, str(lease.epoch), lease.token, head, last_sha256(lines), str(size), divider),
        parse=_freed,
        input=(content,),
        repeatable=True,
    )


def last_sha256(lines: Sequence[bytes]) -> str:
    """By this a program sees that its lines are in the journal already. Empty for none."""
    return line_sha256(lines[-1].removesuffix(b"\n")) if lines else ""


def memory(lines: Iterable[bytes], baseline: bytes | None) -> tuple[bytes, int, str]:
    """The input of programs that write journal lines and a baseline. JSON text only: it holds no control character."""
    one = "".join(line.decode("utf-8").removesuffix("\n") + "\n" for line in lines)
    two = "" if baseline is None else baseline.decode("utf-8").rstrip("\n")
    content, size, divider = words.two_texts(one, two)
    if not isinstance(content, bytes):
        raise TypeError("journal lines are no secrets")
    return content, size, divider


def _acquired(reply: Reply) -> Acquired | Held | Moved:
    checked = replies.checked(reply)
    epoch = replies.optional(checked, "acquired")
    if epoch is not None:
        return Acquired(int(epoch))
    if replies.optional(checked, "moved") is not None:
        return Moved()
    _, lease = replies.lease(checked.section("lease"))
    if lease is None:
        raise ValueError("the lock is neither held nor ours")
    return Held(lease)


def _unwritten(reply: Reply) -> str:
    return replies.shown(replies.optional(replies.checked(reply), "unwritten") or b"")


def _freed(reply: Reply) -> Freed | None:
    unwritten = _unwritten(reply)
    _, lease = replies.lease(reply.section("lease"))
    return None if lease is None else Freed(lease, unwritten)


def lease_token(token: str) -> str:
    """A token as a word of a program. Raises ValueError."""
    if not (token.isascii() and token.isalnum() and len(token) <= 64):
        raise ValueError("a token is made of letters and digits")
    return token


def _encoded(who: str) -> str:
    """In hexadecimal, with a slash now and then: a link to a name that no file system can hold breaks who looks at it
    (ENAMETOOLONG); one to a path that is not there is an ordinary dangling link.
    """
    digits = who.encode("utf-8", "replace")[:_MAX_WHO_BYTES].hex()
    return "/".join(digits[start : start + _NAME_DIGITS] for start in range(0, len(digits), _NAME_DIGITS))
