"""Lays a release out on a target: ``build.sh`` (SPEC sections 6 and 7)."""

from __future__ import annotations

import enum
import gzip
import re
from collections.abc import Iterator

from octo_ssh.model.manifest import Kind, Manifest
from octo_ssh.model.observed import Tree
from octo_ssh.model.program import LARGE_REPLY_BYTES, Acting, FileInput, Input, Reply
from octo_ssh.packages.bundle import Bundle
from octo_ssh.packages.delta import Difference
from octo_ssh.remote import replies, words
from octo_ssh.remote.grant import checked
from octo_ssh.remote.lock import lease_token
from octo_ssh.remote.source import body
from octo_ssh.remote.trees import parse_tree

_ODD_BYTE = re.compile(rb"[^A-Za-z0-9_./-]")


class Supply(enum.Enum):
    """Where the program takes the bundle from."""

    STORE = "store"
    """``<root>/store``: the login and root can read it."""
    INPUT = "input"
    """The program's own input: for a user who is neither."""


def build(
    root: str,
    to: str,
    folder: str,
    *,
    project: str,
    environment: str | None,
    base: str | None,
    manifest: Manifest,
    difference: Difference,
    bundle: Bundle,
    configured: bytes = b"",
    shared: tuple[str, ...] = (),
    seeds: tuple[str, ...] = (),
    supply: Supply = Supply.STORE,
    epoch: int,
    token: str,
) -> Acting[Tree | None]:
    """Make the release beside its place, for ``commit`` to name; its answer is what came out, to be compared. None: the
    store has the bundle no more, or damaged.

    ``root`` is absolute. ``base``: the release folder that ``difference`` was made against. ``configured``: a tar.
    ``shared``: paths that must exist in ``<to>/shared`` afterwards; those in ``seeds`` are filled from
    ``.octo-ssh-seeds/<path>`` of the bundle, others begin as empty folders. Nothing is left when it fails. What
    earlier tries left in ``to`` goes; one that is still at work is ended. The lease of
    ``epoch`` and ``token`` gets the right to switch; the reply is a FlipLost where a later one has it.
    """
    packed = gzip.compress(_text(manifest, difference), compresslevel=6, mtime=0)
    pieces: tuple[Input, ...] = (packed, configured)
    size = len(packed) + len(configured)
    if supply is Supply.INPUT:
        pieces, size = (*pieces, FileInput(str(bundle.path), bundle.size)), size + bundle.size
    return Acting(
        name="laying the release out",
        body=body("place", "flip", "tree", "build"),
        words=(
            to,
            root,
            words.name(project),
            words.environment_name(environment),
            words.name(folder),
            "" if base is None else words.name(base),
            manifest.sha256,
            words.digest(bundle.sha256),
            bundle.compression.value,
            supply.value,
            str(size),
            str(len(packed)),
            str(len(configured)),
            str(len(difference.remove_lines)),
            str(len(difference.add_lines)),
            str(len(list(_odd_folders(manifest)))),
            str(len(difference.moves)),
            str(epoch),
            lease_token(token),
            *(("1" if path in seeds else "0") + path for path in shared),
        ),
        parse=lambda reply: _tree(reply, len(manifest.entries)),
        max_reply_bytes=LARGE_REPLY_BYTES,
        input=pieces,
        repeatable=True,
    )


def _text(manifest: Manifest, difference: Difference) -> bytes:
    """Everything that is one line each, in the order in which the program takes it apart."""
    lines = [*difference.remove_lines, *difference.add_lines]
    lines.extend(_odd_folders(manifest))
    for move in difference.moves:
        lines.extend(text.encode("ascii") for text in (move.source, move.into, str(len(move.names))))
    lines.extend(name.encode("ascii") for move in difference.moves for name in move.names)
    return b"".join(line + b"\n" for line in lines)


def _odd_folders(manifest: Manifest) -> Iterator[bytes]:
    """Folders that their owner may not write to: ``mode path``, innermost first, odd bytes of the path in octal."""
    for path in sorted(manifest.entries, reverse=True):
        entry = manifest.entries[path]
        if entry.kind is Kind.DIR and entry.mode & 0o700 != 0o700:
            raw = path.encode("utf-8", "surrogateescape")
            yield f"{entry.mode:04o} ".encode("ascii") + _ODD_BYTE.sub(lambda byte: b"\\0%03o" % byte[0][0], raw)


def _tree(reply: Reply, known: int) -> Tree | None:
    told = checked(reply)
    return None if replies.optional(told, "bundle") is not None else parse_tree(dict(told.sections), known=known)
