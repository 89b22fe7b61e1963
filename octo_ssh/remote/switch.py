"""Points ``current`` at a release: ``switch.sh`` (SPEC section 7)."""

from __future__ import annotations

from octo_ssh.model.program import Acting
from octo_ssh.remote import words
from octo_ssh.remote.commit import fingerprint_of
from octo_ssh.remote.source import body


def switch(to: str, folder: str | None) -> Acting[str]:
    """``<to>/current`` points at the release folder, at once or not at all; with None it is removed.

    Its answer is the folder's fingerprint, as ``observe`` tells it; empty with None.
    """
    return Acting(
        name="switching the release",
        body=body("place", "switch"),
        words=(to, "" if folder is None else words.name(folder)),
        parse=fingerprint_of,
    )
