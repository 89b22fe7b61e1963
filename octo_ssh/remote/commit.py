"""Gives a release that was built its name, or throws it away: ``commit.sh``, ``discard.sh``."""

from __future__ import annotations

from octo_ssh.model.program import Acting
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body


def commit(to: str, folder: str, manifest_sha256: str) -> Acting[None]:
    """The release that ``build`` laid out becomes ``<to>/releases/<folder>``, on disk.

    Where that has this manifest already, an earlier try did it. Nothing is left when it fails.
    """
    return Acting(
        name="completing the release",
        body=body("place", "commit"),
        words=(to, words.name(folder), words.digest(manifest_sha256)),
        parse=replies.done,
        repeatable=True,
    )


def discard(to: str) -> Acting[None]:
    """What was built in ``to`` and did not get its name goes."""
    return Acting(name="clearing up", body=body("place", "discard"), words=(to,), parse=replies.done, repeatable=True)
