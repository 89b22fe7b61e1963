"""Gives a release that was built its name: ``commit.sh``."""

from __future__ import annotations

from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body


def commit(to: str, folder: str) -> Acting[str]:
    """The release that ``build`` laid out becomes ``<to>/releases/<folder>``, on disk. Its answer: its fingerprint."""
    return Acting(
        name="completing the release",
        body=body("place", "commit"),
        words=(to, words.name(folder)),
        parse=fingerprint_of,
    )


def fingerprint_of(reply: Reply) -> str:
    """The fingerprint in a reply; empty where the folder could not be listed. Raises ValueError, RemoteError."""
    told = replies.checked(reply).section("fingerprint").decode("ascii").strip()
    return words.digest(told) if told else ""
