"""A fleet of real Debian hosts: systemd, sshd, sudo, an address and a host key each, booted in a moment.

A host is a systemd-nspawn container on an overlay (the base below, a tmpfs above) in a network namespace of its own.
The public network 10.77.N.0/24 is a bridge that this machine is on; hosts behind the jump host are on 10.78.N.0/24,
which this machine has no way to but through it. All of it is held by one *warden* (``warden.sh``) and goes with it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.fleet.base import HERE, base_folder, warden_command
from tests.fleet.entering import run_inside
from tests.integration.sshd import make_key

USERS = ("deploy", "deploy-root", "deploy-pw")
PASSWORD = "octopus"
"""The password that ``deploy-pw`` gives to sudo."""
JUMP = "jump"
_RUN = Path("/run/octo-fleet")
_RUN_S = 60.0
_UP_DEADLINE_S = 60.0
_POLL_S = 0.02


@dataclass(slots=True)
class Host:
    """One host of a fleet."""

    name: str
    ip: str
    behind_jump: bool
    host_public_key: str
    fleet: Fleet = field(repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path:
        """Its root folder as seen from this machine, also while it is off."""
        return self.fleet.inside / self.name / "root"

    @property
    def view(self) -> Path:
        """Its root folder as its own processes see it, with all mounts. Raises RuntimeError when it is off."""
        return Path(f"/proc/{self._leader()}/root")

    @property
    def console(self) -> Path:
        """What it printed while booting."""
        return self.fleet.folder / f"{self.name}.console"

    def run(
        self, command: str, *, user: str = "root", stdin: str = "", check: bool = True, timeout_s: float = _RUN_S
    ) -> subprocess.CompletedProcess[str]:
        """A shell command on the host, without SSH.

        Raises CalledProcessError when it fails and ``check`` is set, and Hung, which says what ran there, when it has
        not ended after ``timeout_s``.
        """
        done = run_inside(self._leader(), self.name, command, user=user, stdin=stdin, timeout_s=timeout_s)
        if check and done.returncode != 0:
            error = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
            error.add_note(f"on {self.name}, saying: {(done.stdout + done.stderr)[-2000:]}")
            raise error
        return done

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """A file on the host, owned by root."""
        file = self.folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def start(self) -> None:
        """Switch it on and wait until its sshd listens."""
        self.begin_start()
        self.wait_until_up()

    def begin_start(self) -> None:
        """Switch it on, without waiting."""
        words = [*self.fleet.within, "sh", str(HERE / "host.sh"), str(self.fleet.number), self.name]
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )

    def wait_until_up(self, *, after_pid: int = 0) -> None:
        """Wait until sshd listens, in a boot whose systemd is another process than ``after_pid``.

        Raises RuntimeError with the console's end when it does not come up.
        """
        end = time.monotonic() + _UP_DEADLINE_S
        while time.monotonic() < end and self._process is not None and self._process.poll() is None:
            if (pid := self._pid_1()) not in (0, after_pid) and _listens(pid, port=22):
                return
            time.sleep(_POLL_S)
        raise RuntimeError(f"{self.name} did not come up:\n{self.console.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """A power cut: everything on it ends at once. What it had written is still there after ``start``."""
        if self._process is not None:
            (self._cgroup / "cgroup.kill").write_text("1")
            self._process.wait()
            self._process = None

    def shut_down(self) -> None:
        """A clean shutdown."""
        if self._process is not None:
            self.run("systemctl poweroff", check=False)
            self._process.wait(_UP_DEADLINE_S)
            self._process = None

    def reboot(self) -> None:
        """A clean reboot; returns when its sshd listens again."""
        before = self._leader()
        self.run("systemctl reboot", check=False)
        self.wait_until_up(after_pid=before)

    def reset(self) -> None:
        """Off, everything written to it thrown away, and on again."""
        self.stop()
        self.fleet.mount(self)
        self.start()

    def unplug(self) -> None:
        """Take the cable out: nothing gets to it or from it, and nobody is told. Unplugged twice is unplugged."""
        self.fleet._cable(self, "down")

    def plug_in(self) -> None:
        """Put the cable back."""
        self.fleet._cable(self, "up")

    def pids(self) -> list[int]:
        """Every process on it, as numbered on this machine."""
        found: list[int] = []
        for folder, _, _ in os.walk(self._cgroup / "payload"):
            with contextlib.suppress(OSError):  # the group has just ended
                found += map(int, Path(folder, "cgroup.procs").read_text().split())
        return found

    @property
    def _cgroup(self) -> Path:
        return self.fleet.cgroup / self.name

    def _pid_1(self) -> int:
        """The process that is PID 1 on the host, as numbered here; 0 when it is off."""
        try:
            pids = (self._cgroup / "payload" / "init.scope" / "cgroup.procs").read_text().split()
        except OSError:
            return 0
        return int(pids[0]) if pids else 0

    def _leader(self) -> int:
        if not (pid := self._pid_1()):
            raise RuntimeError(f"{self.name} is off")
        return pid


@dataclass(slots=True)
class Fleet:
    """Hosts that are up. Made with ``Fleet.boot``; ``close`` (or the end of this process) ends all of it."""

    number: int
    folder: Path
    """Keys, known_hosts and consoles; removed with the fleet."""
    hosts: dict[str, Host] = field(default_factory=dict)
    boot_s: float = 0.0
    """How long the boot took, from the first host's start to the last one's sshd."""
    _warden: subprocess.Popen[bytes] | None = None
    _lock: IO[str] | None = None

    @classmethod
    def boot(cls, *, webs: int, behind_jump: int = 0) -> Fleet:
        """``webs`` hosts ``web-01`` …, the last ``behind_jump`` of them only reachable through one more, ``jump``."""
        lock, number = _free_number()
        fleet = cls(number=number, folder=_RUN / f"{number}.files", _lock=lock)
        atexit.register(fleet.close)
        try:
            fleet._hold()
            fleet.folder.mkdir(mode=0o700)
            make_key(fleet.client_key)
            public = webs - behind_jump
            names = [f"web-{index + 1:02}" for index in range(webs)]
            for index, name in enumerate([*names, *([JUMP] if behind_jump else [])]):
                fleet._add(name, index + 10, behind_jump=public <= index < webs)
            fleet._write_files()
            began = time.monotonic()
            for host in fleet.hosts.values():
                host.begin_start()
            for host in fleet.hosts.values():
                host.wait_until_up()
            fleet.boot_s = time.monotonic() - began
        except BaseException:
            fleet.close()
            raise
        return fleet

    @property
    def webs(self) -> list[Host]:
        """All hosts but the jump host."""
        return [host for host in self.hosts.values() if host.name != JUMP]

    @property
    def client_key(self) -> Path:
        """The private key that every user of every host lets in."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file with every host's key, under its name and its address."""
        return self.folder / "known_hosts"

    def inventory(self, *, user: str = "deploy", root: str = "~/.octo-ssh", extra: str = "") -> str:
        """The text of an inventory.yaml. ``extra`` is added at its end (``environments:``, ``variables:``…)."""
        lines = [
            "version: 1",
            f"known_hosts: {self.known_hosts}",
            f"defaults: {{user: {user}, identity: {self.client_key}, ssh_config: none, root: {root}}}",
            "targets:",
        ]
        for host in self.hosts.values():
            jump = f", jump: {JUMP}" if host.behind_jump else ""
            tag = "jump" if host.name == JUMP else "web"
            lines.append(f"  {host.name}: {{host: {host.ip}, tags: [{tag}]{jump}}}")
        return "\n".join([*lines, extra.strip(), ""])

    def close(self) -> None:
        """End every host and remove everything; safe to call again."""
        atexit.unregister(self.close)
        warden, self._warden = self._warden, None
        if warden is not None:
            assert warden.stdin is not None
            assert warden.stdout is not None
            warden.stdin.close()
            warden.wait(_UP_DEADLINE_S)
            warden.stdout.close()
        for host in self.hosts.values():
            if host._process is not None:
                host._process.wait(_UP_DEADLINE_S)
                host._process = None
        if self._lock is not None:
            self._lock.close()

    @property
    def within(self) -> list[str]:
        """The words that run a command in the warden's mount namespace."""
        assert self._warden is not None, "the fleet is closed"
        return ["nsenter", "--target", str(self._warden.pid), "--mount", "--"]

    @property
    def inside(self) -> Path:
        """The folder of the hosts' file systems, as seen from this machine."""
        assert self._warden is not None, "the fleet is closed"
        return Path(f"/proc/{self._warden.pid}/root") / _RUN.relative_to("/") / str(self.number)

    @property
    def cgroup(self) -> Path:
        assert self._warden is not None, "the fleet is closed"
        return Path(f"/proc/{self._warden.pid}/root/sys/fs/cgroup/octo-fleet-{self.number}")

    def mount(self, host: Host) -> None:
        """Give the (stopped) host a fresh root folder with the files that are its own."""
        place = _RUN / str(self.number) / host.name
        lower = f"lowerdir={base_folder()},upperdir={place}/upper,workdir={place}/work"
        script = (
            'umount "$0/root" 2>/dev/null; rm -rf "$0"; mkdir -p "$0/upper" "$0/work" "$0/root" && '
            'exec mount -t overlay -o "$1" overlay "$0/root"'
        )
        subprocess.run([*self.within, "sh", "-c", script, str(place), lower], check=True)
        host.write("/etc/machine-id", f"{uuid.uuid5(uuid.NAMESPACE_OID, host.host_public_key).hex}\n")
        host.write("/etc/hostname", f"{host.name}\n")
        host.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n")
        key = self.folder / f"{host.name}.key"
        host.write("/etc/ssh/ssh_host_ed25519_key", key.read_text(), mode=0o600)
        host.write("/etc/ssh/sshd_config.d/fleet.conf", "HostKey /etc/ssh/ssh_host_ed25519_key\n")
        public_key = self.client_key.with_suffix(".pub").read_text()
        for user in USERS:
            home = host.folder / "home" / user
            owner = home.stat()
            (home / ".ssh").mkdir(mode=0o700)
            (home / ".ssh" / "authorized_keys").write_text(public_key)
            for path in (home / ".ssh", home / ".ssh" / "authorized_keys"):
                os.chown(path, owner.st_uid, owner.st_gid)

    def _hold(self) -> None:
        """Start the warden, the bridge and the hidden network."""
        self._warden = _warden(self.number)
        assert self._warden.stdout is not None
        if self._warden.stdout.readline() != b"ready\n":
            raise RuntimeError("the warden of the fleet did not start")
        bridge = f"octo{self.number}"
        self._ip(
            f"link add {bridge} type bridge",
            f"address add 10.77.{self.number}.1/24 dev {bridge}",
            f"link set {bridge} up",
            "netns add lan",
        )
        self._ip("link add lan type bridge", "link set lan up", namespace="lan")

    def _add(self, name: str, octet: int, *, behind_jump: bool) -> None:
        """One more host, not started yet."""
        public, hidden = f"10.77.{self.number}.{octet}", f"10.78.{self.number}.{octet}"
        port = f"octo{self.number}p{octet}"
        self._ip(f"netns add {name}")
        inside = ["link set lo up"]
        if not behind_jump:
            self._ip(
                f"link add {port} type veth peer name eth0 netns {name}",
                f"link set {port} master octo{self.number} up",
            )
            inside += [f"address add {public}/24 dev eth0", "link set eth0 up"]
        if behind_jump or name == JUMP:
            link = "eth0" if behind_jump else "eth1"
            self._ip(
                f"link add p{octet} type veth peer name {link} netns {name}",
                f"link set p{octet} master lan up",
                namespace="lan",
            )
            inside += [f"address add {hidden}/24 dev {link}", f"link set {link} up"]
        self._ip(*inside, namespace=name)
        key = make_key(self.folder / f"{name}.key", comment=name)
        public_key = " ".join(key.with_suffix(".key.pub").read_text().split()[:2])
        self.hosts[name] = Host(name, hidden if behind_jump else public, behind_jump, public_key, self)
        self.mount(self.hosts[name])

    def _cable(self, host: Host, state: str) -> None:
        octet = host.ip.rpartition(".")[2]
        if host.behind_jump:
            self._ip(f"link set p{octet} {state}", namespace="lan")
        else:
            self._ip(f"link set octo{self.number}p{octet} {state}")

    def _write_files(self) -> None:
        lines = [f"{host.name},{host.ip} {host.host_public_key}\n" for host in self.hosts.values()]
        self.known_hosts.write_text("".join(lines))

    def _ip(self, *lines: str, namespace: str = "") -> None:
        where = ["-netns", namespace] if namespace else []
        words = [*self.within, "ip", *where, "-batch", "-"]
        subprocess.run(words, input="\n".join(lines).encode(), check=True)


def _free_number() -> tuple[IO[str], int]:
    """A number that no running fleet has, with the lock that keeps it; what dead fleets left behind is swept away."""
    _RUN.mkdir(mode=0o700, exist_ok=True)
    found: tuple[IO[str], int] | None = None
    for number in range(1, 255):
        was_used = (_RUN / f"{number}.lock").exists()
        if found is not None and not was_used:
            break
        lock = (_RUN / f"{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        if was_used:
            subprocess.run(warden_command(number, "sweep"), check=True)
        if found is None:
            found = lock, number
        else:
            lock.close()
    if found is None:
        raise RuntimeError("254 fleets are running on this machine")
    (_RUN / str(found[1])).mkdir(exist_ok=True)
    return found


def _warden(number: int) -> subprocess.Popen[bytes]:
    words = warden_command(number, "hold")
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def _listens(pid: int, *, port: int) -> bool:
    """Whether anything listens on the TCP port in the process's network namespace."""
    try:
        rows = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return False
    listening = "0A"
    return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == listening for row in rows)
