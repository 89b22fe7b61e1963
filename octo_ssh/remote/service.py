"""Brings a systemd unit to its state: ``service.sh`` (SPEC section 4)."""

from __future__ import annotations

from octo_ssh.errors import RemoteError
from octo_ssh.model.observed import ServiceSeen
from octo_ssh.model.plan import ServiceState
from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote import replies
from octo_ssh.remote.resources import parse_units, unit_name
from octo_ssh.remote.source import body

_FLAGS = {None: "", True: "1", False: "0"}


def service(
    unit: str, *, state: ServiceState | None, enabled: bool | None, restart: bool, since: str = ""
) -> Acting[ServiceSeen]:
    """Enable or disable, start, stop or restart what is not so yet, and tell what systemd says afterwards.

    ``restart`` starts a unit that is stopped, but for ``state`` STOPPED, which it never starts. ``since``: its
    ``ServiceSeen.start`` just before, so that a program that is repeated restarts it once. A unit that falls over
    within two seconds of its start is a failure. Raises RemoteError: one sentence, then what systemctl said and the
    unit's last lines in the journal.
    """
    name = unit_name(unit)

    def parse(reply: Reply) -> ServiceSeen:
        if reply.status != 0:
            raise RemoteError(_told(reply))
        return parse_units(reply, (name,))[name]

    return Acting(
        name="the service step",
        body=body("seen", "service"),
        words=(name, state.value if state else "", _FLAGS[enabled], "1" if restart else "0", since),
        parse=parse,
        repeatable=True,
    )


def _told(reply: Reply) -> str:
    """The problem, then the words of systemctl, then the log: bounded, each on lines of its own."""
    parts = (replies.shown(replies.optional(reply, name) or b"") for name in ("problem", "said", "log"))
    return "\n".join(part for part in parts if part) or f"the program failed with status {reply.status}"
