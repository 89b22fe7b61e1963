"""What ssh_config says of one host, evaluated as OpenSSH does: first value wins, Host, Match, Include, two passes.

Only options that decide where and how a login is made are looked at. All others, known or not, are passed over:
RemoteCommand, ForwardAgent, forwards, RequestTTY, SendEnv, SetEnv, and those that would weaken the trust in host keys
(SPEC section 3).
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from octo_ssh.errors import Position
from octo_ssh.transport.known_hosts import matches_pattern, matches_patterns
from octo_ssh.transport.openssh_file import (
    MAX_DEPTH,
    ConfigFile,
    ConfigLine,
    ConfigMistake,
    included,
    read_lines,
)
from octo_ssh.transport.openssh_tokens import Tokens, expand, expand_command

_MATCH_EXEC_TIMEOUT_S = 15.0
_SINGLE = {
    "addressfamily", "bindaddress", "canonicaldomains", "canonicalizefallbacklocal", "canonicalizehostname",
    "canonicalizemaxdots", "canonicalizepermittedcnames", "connecttimeout", "hostkeyalias", "hostname",
    "identitiesonly", "identityagent", "port", "serveralivecountmax", "serveraliveinterval", "tag", "user",
}  # fmt: skip
_MANY = {"identityfile", "certificatefile"}
_PROXY = {"proxyjump", "proxycommand"}
_PATTERN_CRITERIA = {"host", "originalhost", "user", "localuser", "tagged", "sessiontype"}
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

FindName = Callable[[str], str | None]
"""The canonical name of a host that resolves, else None. May block."""


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What was said of a host. None and ``()``: nothing. Paths and commands still hold their ``%`` tokens."""

    hostname: str | None = None
    port: int | None = None
    user: str | None = None
    identity_files: tuple[str, ...] | None = None
    certificate_files: tuple[str, ...] = ()
    proxy_jump: str | None = None
    """``none`` was said when it is empty."""
    proxy_command: str | None = None
    """``none`` was said when it is empty."""
    host_key_alias: str | None = None
    identities_only: bool = False
    identity_agent: str | None = None
    connect_timeout_s: float | None = None
    alive_interval_s: float | None = None
    alive_count: int | None = None
    address_family: socket.AddressFamily = socket.AF_UNSPEC
    bind_address: str | None = None


@dataclass(slots=True)
class _Said:
    word: str
    position: Position
    words: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    """One evaluation: what has been said so far."""

    name: str
    host: str
    """What Host lines are compared with: the name, in the final pass the canonical host."""
    local_user: str
    single: dict[str, _Said] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)
    final: bool = False
    wants_final: bool = False

    def read(self, file: ConfigFile, active: bool = True, depth: int = 0) -> None:
        for line in read_lines(file):
            match line.keyword:
                case "host":
                    active = self._host_matches(line.words)
                case "match":
                    active = self._match(line)
                case "include" if active:
                    if depth >= MAX_DEPTH:
                        raise ConfigMistake(line.position, "Include goes too deep: does a file include itself?")
                    for pattern in line.words:
                        for other in included(file, pattern):
                            self.read(other, active, depth + 1)
                case _ if active:
                    self._take(line)

    def get(self, option: str) -> str | None:
        said = self.single.get(option)
        return said.word if said else None

    def current_host(self) -> str:
        """Where it goes as far as was said: HostName, else the name."""
        said = self.single.get("hostname")
        return self.host if said is None else expand(said.word, {"h": self.host, "n": self.name}, said.position)

    def _take(self, line: ConfigLine) -> None:
        known = line.keyword in _SINGLE or line.keyword in _MANY or line.keyword in _PROXY
        if not known:
            return
        if not line.words:
            raise ConfigMistake(line.position, f"{line.keyword} needs a value")
        if line.keyword in _MANY:
            listed = self.many.setdefault(line.keyword, [])
            if line.words[0] not in listed:
                listed.append(line.words[0])
        elif line.keyword in _PROXY:
            if not self._proxy_is_decided(line.keyword):
                self.single[line.keyword] = _Said(line.words[0], line.position, line.words)
        else:
            self.single.setdefault(line.keyword, _Said(line.words[0], line.position, line.words))

    def _proxy_is_decided(self, option: str) -> bool:
        """The first of the two wins; but after ``ProxyJump none`` a ProxyCommand still counts, as in OpenSSH."""
        if option == "proxycommand" and (self.get("proxyjump") or "").lower() == "none":
            return "proxycommand" in self.single
        return bool(_PROXY & self.single.keys())

    def _host_matches(self, patterns: Sequence[str]) -> bool:
        return matches_patterns(self.host, patterns)

    def _match(self, line: ConfigLine) -> bool:
        words = [part for word in line.words for part in _split_criterion(word)]
        if not words:
            raise ConfigMistake(line.position, "Match needs a criterion (e.g. Match all)")
        result = True
        while words:
            criterion = words.pop(0).lower()
            wanted = not criterion.startswith("!")
            criterion = criterion.removeprefix("!")
            if criterion == "all":
                holds = True
            elif criterion in ("canonical", "final"):
                self.wants_final |= criterion == "final"
                holds = self.final
            elif not words:
                raise ConfigMistake(line.position, f"Match {criterion} needs a value")
            else:
                value = words.pop(0)
                holds = result and self._criterion_holds(criterion, value, line.position)
            result = result and holds is wanted
        return result

    def _criterion_holds(self, criterion: str, value: str, position: Position) -> bool:
        if criterion == "exec":
            return _command_succeeds(expand_command(value, self.tokens(), position))
        if criterion not in _PATTERN_CRITERIA:
            raise ConfigMistake(position, f"Match {criterion} is not supported: use ssh_config: none, or another file")
        if criterion == "host":
            return matches_patterns(self.current_host().lower(), value.lower().split(","))
        subject = {
            "originalhost": self.name,
            "user": self.get("user") or self.local_user,
            "localuser": self.local_user,
            "tagged": self.get("tag") or "",
            "sessiontype": "exec",
        }[criterion]
        return matches_patterns(subject, value.split(","))

    def tokens(self) -> Tokens:
        port = self.get("port") or "22"
        return Tokens(
            name=self.name,
            host=self.current_host(),
            port=port,
            user=self.get("user") or self.local_user,
            local_user=self.local_user,
            alias=self.get("hostkeyalias") or self.name,
        )


def evaluate(
    files: Sequence[ConfigFile],
    name: str,
    *,
    local_user: str,
    host: str | None = None,
    port: int | None = None,
    user: str | None = None,
    find_name: FindName,
) -> HostConfig:
    """What the files say of ``name``. ``host``, ``port``, ``user`` are said before them, and win.

    May block: ``Match exec`` runs its command, CanonicalizeHostname asks the resolver. Raises ConfigMistake.
    """
    reading = _Reading(name, name, local_user)
    for option, value in (("hostname", host), ("port", port), ("user", user)):
        if value is not None:
            word = str(value).replace("%", "%%") if option == "hostname" else str(value)
            reading.single[option] = _Said(word, Position(""), (word,))
    for file in files:
        reading.read(file)
    canonical = _canonical(reading, find_name)
    if canonical is not None or reading.wants_final or (reading.get("canonicalizehostname") or "no").lower() != "no":
        reading.host = canonical or reading.current_host()
        word = reading.host.replace("%", "%%")
        reading.single["hostname"] = _Said(word, Position(""), (word,))
        reading.final = True
        for file in files:
            reading.read(file)
    return _result(reading)


def seconds(text: str, position: Position) -> float:
    """A time as OpenSSH writes it: ``90``, ``1m30s``."""
    if not re.fullmatch(r"(?:[0-9]+[smhdwSMHDW]?)+", text):
        raise ConfigMistake(position, f"{text!r} is not a time (e.g. 30 or 1m)")
    pairs = re.findall(r"([0-9]+)([smhdw]?)", text.lower())
    return float(sum(int(number) * _UNITS_S.get(unit, 1) for number, unit in pairs))


def _split_criterion(word: str) -> list[str]:
    found = re.fullmatch(r"(!?[A-Za-z]+)=(.*)", word, re.DOTALL)
    return [found[1], found[2]] if found else [word]


def _command_succeeds(command: str) -> bool:
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        done = subprocess.run(
            [shell, "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_MATCH_EXEC_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _canonical(reading: _Reading, find_name: FindName) -> str | None:
    """The full name that CanonicalizeHostname finds, or None."""
    mode = (reading.get("canonicalizehostname") or "no").lower()
    proxied = any((reading.get(option) or "none").lower() != "none" for option in _PROXY)
    if mode not in ("yes", "true", "always") or (proxied and mode != "always"):
        return None
    host = reading.current_host()
    if _is_address(host):
        return None
    if host.endswith("."):
        return host.rstrip(".")
    if host.count(".") > int(reading.get("canonicalizemaxdots") or "1"):
        return None
    domains = reading.single.get("canonicaldomains")
    for domain in domains.words if domains else ():
        full = f"{host}.{domain}".lower()
        if (found := find_name(full)) is not None:
            return found.lower() if found.lower() != full and _cname_permitted(reading, full, found.lower()) else full
    if (reading.get("canonicalizefallbacklocal") or "yes").lower() == "no" and domains:
        raise ConfigMistake(domains.position, f"{host} was found in none of CanonicalDomains")
    return None


def _cname_permitted(reading: _Reading, name: str, cname: str) -> bool:
    rules = reading.single.get("canonicalizepermittedcnames")
    for rule in rules.words if rules else ():
        sources, _, goals = rule.partition(":")
        if matches_patterns(name, sources.split(",")) and matches_patterns(cname, goals.split(",")):
            return True
    return False


def _is_address(host: str) -> bool:
    return ":" in host or (matches_pattern(host, "*.*.*.*") and host.replace(".", "").isdigit())


def _result(reading: _Reading) -> HostConfig:
    def flag(option: str) -> bool:
        said = reading.single.get(option)
        if said is None:
            return False
        if said.word.lower() not in ("yes", "true", "no", "false"):
            raise ConfigMistake(said.position, f"{option} must be yes or no, not {said.word!r}")
        return said.word.lower() in ("yes", "true")

    def number(option: str, most: int) -> int | None:
        said = reading.single.get(option)
        if said is None:
            return None
        if not said.word.isdecimal() or not 1 <= int(said.word) <= most:
            raise ConfigMistake(said.position, f"{option} must be a number from 1 to {most}, not {said.word!r}")
        return int(said.word)

    def time(option: str) -> float | None:
        said = reading.single.get(option)
        return None if said is None or said.word.lower() == "none" else seconds(said.word, said.position)

    def proxy(option: str) -> str | None:
        word = reading.get(option)
        return "" if word is not None and word.lower() == "none" else word

    families = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
    identities = reading.many.get("identityfile")
    return HostConfig(
        hostname=reading.current_host() if "hostname" in reading.single else None,
        port=number("port", 65535),
        user=reading.get("user"),
        identity_files=None if identities is None else tuple(p for p in identities if p.lower() != "none"),
        certificate_files=tuple(p for p in reading.many.get("certificatefile", ()) if p.lower() != "none"),
        proxy_jump=proxy("proxyjump"),
        proxy_command=proxy("proxycommand"),
        host_key_alias=reading.get("hostkeyalias"),
        identities_only=flag("identitiesonly"),
        identity_agent=reading.get("identityagent"),
        connect_timeout_s=time("connecttimeout") or None,
        alive_interval_s=time("serveraliveinterval"),
        alive_count=number("serveralivecountmax", 10**6),
        address_family=families.get((reading.get("addressfamily") or "").lower(), socket.AF_UNSPEC),
        bind_address=reading.get("bindaddress"),
    )
