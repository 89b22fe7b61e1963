"""Whether a host key is trusted: only what known_hosts says of that name, narrowed by ``host_key``. Pure.

Nothing is ever accepted by itself (SPEC section 3).
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass

from octo_ssh.errors import HostKeyRefused
from octo_ssh.transport.known_hosts import Known, KnownHosts, KnownKey, fingerprint
from octo_ssh.transport.route import Endpoint

# The signature algorithms of each kind of host key, best first. SHA-1 is left out, as OpenSSH leaves it out.
ALGORITHMS: dict[str, tuple[str, ...]] = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
_CERTIFICATE = "-cert-v01@openssh.com"


INVENTORY = "inventory.yaml"
"""Where commands look for the inventory when nobody says where it is."""


def review(inventory: str, *names: str) -> str:
    """The command that shows the keys of these targets, to be typed where this one was."""
    where = () if os.path.normpath(inventory) == INVENTORY else ("-i", inventory)
    return shlex.join(("octo-ssh", "trust", *names, *where))


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """What is trusted for one machine."""

    endpoint: Endpoint
    known: Known
    bare: Known
    """For a port that is not 22: what is said of the host without its port, which counts when nothing else is said."""
    inventory: str = INVENTORY
    """The path of the inventory, for the command that reviews the key."""

    @classmethod
    def of(cls, endpoint: Endpoint, hosts: KnownHosts, inventory: str = INVENTORY) -> HostPolicy:
        ported = endpoint.host_key_alias is None and endpoint.port != 22
        bare = hosts.lookup(endpoint.host) if ported else Known()
        return cls(endpoint, hosts.lookup(endpoint.known_as), bare, inventory)

    @property
    def plain_algorithms(self) -> tuple[str, ...]:
        """What is asked for at the handshake: the kinds that are known first, so that one of them is shown."""
        trusted = [key.kind for key in (*self.known.keys, *self.bare.keys) if self._is_wanted(key.blob)]
        kinds = sorted(ALGORITHMS, key=lambda kind: kind not in trusted)
        return tuple(name for kind in kinds for name in ALGORITHMS[kind])

    @property
    def algorithms(self) -> tuple[str, ...]:
        """As ``plain_algorithms``, after those of certificates where an authority is known."""
        plain = self.plain_algorithms
        return (*(name + _CERTIFICATE for name in plain), *plain) if self.has_authority else plain

    @property
    def has_authority(self) -> bool:
        """Whether certificates count for this machine."""
        return any(self._is_wanted(key.blob) for key in (*self.known.authorities, *self.bare.authorities))

    def revoked(self) -> tuple[tuple[str, bytes], ...]:
        """Kind and key of everything that is revoked for this machine."""
        return tuple((line.kind, line.blob) for line in self._revoked)

    def trusts_authority(self, blob: bytes) -> bool:
        """Whether a certificate signed by this key is taken, for the names it is made out to."""
        if self._revocation(blob) or not self._is_wanted(blob):
            return False
        return any(key.blob == blob for key in (*self.known.authorities, *self.bare.authorities))

    def refusal(self, kind: str, blob: bytes) -> HostKeyRefused | None:
        """Why a host key is refused; None when it is trusted."""
        shown, title = fingerprint(blob), self.endpoint.title
        if (line := self._revocation(blob)) is not None:
            return HostKeyRefused(
                f"host key of {title} is REVOKED: {shown} (@revoked at {line})",
                hint="do not connect: somebody marked this key as stolen or retired",
                changed=True,
            )
        if self._is_known(blob):
            if self._is_wanted(blob):
                return None
            return HostKeyRefused(
                f"host key of {title} is {shown}, but its host_key in the inventory says {self.endpoint.host_key}",
                hint=f"find out which one is right, then correct host_key of {self.endpoint.name}",
                changed=True,
            )
        others = [key for key in self.known.keys if self._revocation(key.blob) is None]
        if not others:
            return HostKeyRefused(f"host key of {title} is unknown: {shown}", hint=self._review())
        places = "\n".join(
            f"  known:   {key.fingerprint} ({key.kind}, {key.position.file}:{key.position.line})" for key in others
        )
        return HostKeyRefused(
            f"HOST KEY OF {title} HAS CHANGED. Somebody may be listening in, or the machine was set up anew.\n"
            f"  offered: {shown} ({kind})\n{places}",
            hint=self._review() + " shows what changed; say yes only when you know why",
            changed=True,
        )

    def certificate_refusal(self, reason: str) -> HostKeyRefused:
        """The refusal of a host certificate (expired, other names, revoked, another authority)."""
        if "revoked" in reason:
            places = ", ".join(f"{line.position.file}:{line.position.line}" for line in self._revoked)
            reason = f"it is REVOKED (@revoked at {places})"
        return HostKeyRefused(
            f"host certificate of {self.endpoint.title} is refused: {reason}",
            hint="ask whoever signs your host certificates, or trust the key itself: " + self._review(),
            changed="REVOKED" in reason,
        )

    @property
    def _revoked(self) -> tuple[KnownKey, ...]:
        return (*self.known.revoked, *self.bare.revoked)

    def _review(self) -> str:
        return review(self.inventory, self.endpoint.name)

    def _is_wanted(self, blob: bytes) -> bool:
        return self.endpoint.host_key is None or fingerprint(blob) == self.endpoint.host_key

    def _is_known(self, blob: bytes) -> bool:
        """As OpenSSH: once a key of any kind is known with the port, what is said without it does not count."""
        keys = self.known.keys or self.bare.keys
        return any(key.blob == blob for key in keys)

    def _revocation(self, blob: bytes) -> str | None:
        """Where the key is revoked."""
        line = self.known.revokes(blob) or self.bare.revokes(blob)
        return f"{line.position.file}:{line.position.line}" if line else None
