"""Gives a release that was built its name: ``commit.sh``."""

from __future__ import annotations

from octo_ssh.model.program import Acting
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body


def commit(to: str, folder: str) -> Acting[None]:
    """The release that ``build`` laid out becomes ``<to>/releases/<folder>``, on disk."""
    return Acting(
        name="completing the release",
        body=body("place", "commit"),
        words=(to, words.name(folder)),
        parse=replies.done,
    )
