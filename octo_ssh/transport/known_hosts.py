"""OpenSSH's known_hosts format: read, looked up as OpenSSH does, and checked. Pure functions on text (sshd(8)).

A name is what is asked for: ``host`` for port 22, else ``[host]:port``; a HostKeyAlias as it is written.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from octo_ssh.errors import Position, Problem

_HASH_MAGIC = "|1|"


class Marker(enum.Enum):
    """What a line is for."""

    KEY = ""
    AUTHORITY = "@cert-authority"
    REVOKED = "@revoked"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line: for which names, which key."""

    position: Position
    marker: Marker
    names: str
    """Comma separated patterns, or one hashed name."""
    kind: str
    """``ssh-ed25519``, ``ssh-rsa``, …"""
    blob: bytes

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)

    def covers(self, name: str) -> bool:
        """Whether the line speaks of that name (in lower case)."""
        if self.names.startswith("|"):
            return _hash_matches(self.names, name)
        return matches_patterns(name, self.names.lower().split(","))


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """A file's lines, as far as they can be read, and what is wrong with the others."""

    path: str
    keys: tuple[KnownKey, ...] = ()
    problems: tuple[Problem, ...] = ()

    def lookup(self, name: str) -> Known:
        """What the file says of a name."""
        return Known(tuple(key for key in self.keys if key.covers(name.lower())))


@dataclass(frozen=True, slots=True)
class Known:
    """The lines that speak of one name, in the file's order."""

    lines: tuple[KnownKey, ...] = ()

    @property
    def keys(self) -> tuple[KnownKey, ...]:
        return tuple(line for line in self.lines if line.marker is Marker.KEY)

    @property
    def authorities(self) -> tuple[KnownKey, ...]:
        return tuple(line for line in self.lines if line.marker is Marker.AUTHORITY)

    @property
    def revoked(self) -> tuple[KnownKey, ...]:
        return tuple(line for line in self.lines if line.marker is Marker.REVOKED)

    def holds(self, blob: bytes) -> bool:
        """Whether the key is among the plain ones and not revoked."""
        return any(key.blob == blob for key in self.keys) and not self.revokes(blob)

    def revokes(self, blob: bytes) -> KnownKey | None:
        return next((key for key in self.revoked if key.blob == blob), None)

    def __bool__(self) -> bool:
        return bool(self.lines)


def fingerprint(blob: bytes) -> str:
    """``SHA256:…`` as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def key_kind(blob: bytes) -> str:
    """The algorithm's name inside a public key. Raises ValueError when the bytes are none."""
    length = int.from_bytes(blob[:4], "big")
    if len(blob) < 5 or not 1 <= length <= 64 or len(blob) < 4 + length:
        raise ValueError("not a public key")
    return blob[4 : 4 + length].decode("ascii")


def host_name(host: str, port: int) -> str:
    """The name a host and port are looked up under."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def hashed(name: str) -> str:
    """A name as ``ssh-keygen -H`` writes it, with fresh salt."""
    salt = secrets.token_bytes(20)
    digest = hmac.new(salt, name.lower().encode(), hashlib.sha1).digest()
    return f"{_HASH_MAGIC}{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def parse(text: str, path: str) -> KnownHosts:
    """Read a file's text. A line that cannot be read is a problem at its place, never silently left out."""
    keys: list[KnownKey] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        position = Position(path, number, 1)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            keys.append(_parse_line(line, position))
        except ValueError as error:
            problems.append(Problem(position, str(error)))
    return KnownHosts(path, tuple(keys), tuple(problems))


def matches_patterns(name: str, patterns: Iterable[str]) -> bool:
    """Whether some pattern matches and no negated one does; ``*`` and ``?`` are wild (PATTERNS in ssh_config(5))."""
    found = False
    for pattern in patterns:
        negated = pattern.startswith("!")
        if matches_pattern(name, pattern.removeprefix("!")):
            if negated:
                return False
            found = True
    return found


def matches_pattern(name: str, pattern: str) -> bool:
    """Whether one pattern with ``*`` and ``?`` matches the whole name."""
    parts = re.split(r"([*?])", pattern)
    regex = "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(re.sub(r"(?:\.\*)+", ".*", regex), name, re.DOTALL) is not None


def _parse_line(line: str, position: Position) -> KnownKey:
    words = line.split()
    marker = Marker.KEY
    if words[0].startswith("@"):
        try:
            marker = Marker(words[0])
        except ValueError:
            raise ValueError(
                f"unknown marker {words[0]!r}: a line may start with @cert-authority or @revoked"
            ) from None
        words = words[1:]
    if len(words) < 3:
        raise ValueError("a line is: names, key type, key (e.g. 'web-01.example.net ssh-ed25519 AAAA…')")
    names, kind, encoded = words[:3]
    if names.startswith("|"):
        _split_hash(names)
    try:
        blob = base64.b64decode(encoded, validate=True)
        inner = key_kind(blob)
    except (binascii.Error, ValueError, UnicodeDecodeError):
        raise ValueError(f"the key after {kind!r} is damaged: copy the line again, or use octo-ssh trust") from None
    if inner != kind:
        raise ValueError(f"the line says {kind!r}, but its key is of type {inner!r}")
    return KnownKey(position, marker, names, kind, blob)


def _split_hash(names: str) -> tuple[bytes, bytes]:
    """Salt and digest of a hashed name. Raises ValueError."""
    fields = names.split("|")
    if len(fields) != 4 or fields[1] != "1":
        raise ValueError("the hashed name is damaged: it must look like |1|salt|hash")
    try:
        return base64.b64decode(fields[2], validate=True), base64.b64decode(fields[3], validate=True)
    except binascii.Error:
        raise ValueError("the hashed name is damaged: salt and hash must be base64") from None


def _hash_matches(names: str, name: str) -> bool:
    salt, digest = _split_hash(names)
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
