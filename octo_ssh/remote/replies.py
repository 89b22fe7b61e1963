"""Reading what programs answer. A reply may be wrong, huge or a lie: everything is bounded and checked."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator

from octo_ssh.errors import LeaseLost, RemoteError
from octo_ssh.model.holder import holder_of
from octo_ssh.model.observed import Disk, Lease
from octo_ssh.model.program import Reply

MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_FIELDS = 100_000
"""Of a list of texts."""
_PIECE_BYTES = 1024 * 1024
_SHOWN_BYTES = 4000
_WHO_BYTES = 1000


def checked(reply: Reply) -> Reply:
    """The reply of a program that did its work. Raises RemoteError with the target's own sentence where it did not, and
    LeaseLost where that was for a lease that is not ours any more.
    """
    if reply.status != 0:
        if (lost := optional(reply, "lost")) is not None:
            raise _lost(lost)
        told = optional(reply, "problem")
        raise RemoteError(shown(told) if told else f"the program failed with status {reply.status}")
    return reply


def done(reply: Reply) -> None:
    """For programs whose success says everything."""
    checked(reply)


def optional(reply: Reply, name: str) -> bytes | None:
    """The section of that name, None where there is none. Raises ValueError where there are more."""
    found = [content for key, content in reply.sections if key == name]
    if len(found) > 1:
        raise ValueError(f"the reply holds {len(found)} sections named {name!r}")
    return found[0] if found else None


def fields(content: bytes, count: int | None = None) -> list[str]:
    """Texts that end in NUL each. Raises ValueError when there are not ``count`` of them."""
    if content and not content.endswith(b"\0"):
        raise ValueError("a list in the reply is cut off")
    there = content.count(b"\0")
    if count is not None and there != count:
        raise ValueError(f"a list in the reply has {there} fields instead of {count}")
    if there > MAX_FIELDS:
        raise ValueError(f"a list in the reply has more than {MAX_FIELDS} fields")
    return [text(raw) for raw in content.split(b"\0")[:-1]]


def text(raw: bytes) -> str:
    """Bytes as text; what is not UTF-8 becomes lone surrogates, as in a manifest."""
    return os.fsdecode(raw) if os.sep == "/" else raw.decode("utf-8", "surrogateescape")


def unpacked(content: bytes, most: int = MAX_UNPACKED_BYTES) -> bytes:
    """What was gzip'd there. Raises ValueError for anything else, or for more than that; no more is ever unpacked."""
    unpacker = zlib.decompressobj(31)
    found, left = bytearray(), content
    try:
        while not unpacker.eof and len(found) <= most:
            piece = unpacker.decompress(left, _PIECE_BYTES)
            if not piece and not unpacker.unconsumed_tail:
                break
            found += piece
            left = unpacker.unconsumed_tail
    except zlib.error as error:
        raise ValueError(f"a compressed section is damaged: {error}") from error
    if not unpacker.eof or len(found) > most:
        raise ValueError("a compressed section is cut off or too large")
    return bytes(found)


def shown(raw: bytes) -> str:
    """A target's sentence, fit for a message: bounded, without control characters."""
    lines = raw[:_SHOWN_BYTES].decode("utf-8", "replace").strip().split("\n")
    return "\n".join("".join(char if char.isprintable() else " " for char in line).rstrip() for line in lines)


def groups(reply: Reply, first: str) -> Iterator[dict[str, bytes]]:
    """Sections in groups, each beginning with one named ``first``; what stands before the first group is left out."""
    group: dict[str, bytes] | None = None
    for name, content in reply.sections:
        if name == first:
            if group is not None:
                yield group
            group = {}
        if group is not None:
            if name in group:
                raise ValueError(f"a group of the reply holds two sections named {name!r}")
            group[name] = content
    if group is not None:
        yield group


def divided(reply: Reply, name: str) -> tuple[Reply, Reply]:
    """What stands before the one section of that name, and what stands behind it. Raises ValueError without it."""
    if [key for key, _ in reply.sections].count(name) != 1:
        raise ValueError(f"the reply does not hold one section named {name!r}")
    at = next(at for at, (key, _) in enumerate(reply.sections) if key == name)
    return Reply(reply.status, reply.sections[:at]), Reply(reply.status, reply.sections[at + 1 :])


def disk(words: str) -> Disk | None:
    """``free blocks, block size, free inodes, inodes, id``, as ``stat -f`` printed them, then KiB and inodes of what is
    left there of earlier runs; None where there are only those two.
    """
    parts = words.split()
    if len(parts) <= 2:
        return None
    *numbers, name, left_kib, left_inodes = parts
    blocks, block_bytes, free_inodes, inodes = map(_natural, numbers)
    return Disk(
        blocks * block_bytes,
        free_inodes if inodes else None,
        name.strip("0") and name[:40],
        _natural(left_kib) * 1024,
        _natural(left_inodes),
    )


def lease(content: bytes) -> tuple[int, Lease | None]:
    """The highest epoch, and the lease where it is held. Raises ValueError.

    A link that is not in our form is a lease all the same: of somebody who is not known, and cannot be seen to expire.
    """
    number, link, boot_id, now = fields(content, 4)
    epoch = _natural(number)
    if not link:
        return epoch, None
    token, _, rest = link.partition(":")
    try:
        ttl, held_boot, stamp, who = rest.split(":", 3)
        ttl_s, stamp_s = _natural(ttl), _seconds(stamp)
    except ValueError:
        return epoch, Lease(epoch, token, 0, "", 0.0, link[:_WHO_BYTES], link=link)
    age_s = _seconds(now) - stamp_s if held_boot and held_boot == boot_id else None
    if age_s is not None and age_s < 0:
        age_s = None  # no clock that only goes forward: it tells nothing
    return epoch, Lease(epoch, token, ttl_s, held_boot, stamp_s, _who(who), age_s, link)


def _who(encoded: str) -> str:
    """What the holder wrote of itself; as it stands where it is not in our form."""
    try:
        return bytes.fromhex(encoded.replace("/", "")).decode("utf-8", "replace")[:_WHO_BYTES]
    except ValueError:
        return encoded[:_WHO_BYTES]


def _lost(content: bytes) -> LeaseLost:
    """The section ``lost``: who has the lease now, or had it last."""
    try:
        _, now = lease(content)
    except ValueError:
        now = None
    if now is None:
        return LeaseLost("the lock was released by somebody else: octo-ssh lock --release")
    holder = holder_of(now)
    who = shown(str(holder or now.who).replace(" since ", " at ", 1).encode("utf-8", "replace"))
    return LeaseLost(f"the lock was taken over by {who}")


def _natural(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 20):
        raise ValueError(f"not a number: {word[:40]!r}")
    return int(word)


def _seconds(word: str) -> float:
    whole, _, part = word.partition(".")
    return _natural(whole) + (_natural(part) / 10 ** len(part) if part else 0.0)
