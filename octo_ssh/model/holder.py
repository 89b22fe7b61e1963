"""What a lease says of its holder: text that comes from a target, in our form or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from octo_ssh.model.observed import Lease


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, as that run wrote it down."""

    user: str
    host: str
    run: str
    """Empty: it does not say."""
    purpose: str
    since: str
    """ISO 8601, UTC."""

    def __str__(self) -> str:
        run = f" (run {self.run})" if self.run else ""
        return f"{self.user}@{self.host} since {self.since} for {self.purpose}{run}"


def holder_text(*, user: str, host: str, run: str, purpose: str, since: str) -> str:
    """What a lease of ours says."""
    fields = {"user": user, "host": host, "run": run, "purpose": purpose, "since": since}
    return json.dumps(fields, separators=(",", ":"))


def holder_of(lease: Lease) -> Holder | None:
    """None where the text is not in our form."""
    try:
        who = json.loads(lease.who)
        said = [who[key] for key in ("user", "host", "purpose", "since")]
        run = who.get("run", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not all(isinstance(text, str) for text in (*said, run)):
        return None
    user, host, purpose, since = said
    return Holder(user, host, run, purpose, since)


def described(lease: Lease) -> Mapping[str, str]:
    """A holder, for the journal: as it described itself, in whatever form."""
    holder = holder_of(lease)
    return {"who": lease.who} if holder is None else asdict(holder)
