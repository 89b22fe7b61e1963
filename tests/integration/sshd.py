"""A real OpenSSH sshd on loopback: own port, own host keys, own home for each.

Works as root and as an ordinary user. The account is whoever runs the tests; what differs per sshd is ``HOME``, set
by ``SetEnv`` in its sshd_config, which sshd applies after the account's own value. Sessions still *start* in the
account's real home folder. A ``login_shell`` cannot be set that way: for it the sshd gets a mount namespace of its
own with another ``/etc/passwd`` (root on Linux only); there sessions start in ``home`` too.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

_START_DEADLINE_S = 10.0
_STOP_DEADLINE_S = 5.0
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/sbin")


def find_sshd() -> str | None:
    """The path of the installed sshd (it insists on an absolute one), or None."""
    return shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES)))


def why_no_sshd() -> str:
    """The reason that tests with an sshd cannot run here; empty when they can."""
    if find_sshd() is None:
        return "OpenSSH's sshd is not installed (Debian: apt-get install openssh-server)"
    if shutil.which("ssh-keygen") is None:
        return "ssh-keygen is not installed (Debian: apt-get install openssh-client)"
    return ""


def why_no_login_shell() -> str:
    """The reason that no other login shell can be given here; empty when it can."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return "another login shell needs root on Linux, with unshare"
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "mount namespaces are not allowed here"


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "", comment: str = "octo-test") -> Path:
    """A new key pair at ``path`` and ``path.pub``; returns ``path``."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", comment, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Sshd:
    """One sshd. Made and started with ``Sshd.create``; always ``stop`` it (the fixtures do)."""

    folder: Path
    home: Path
    """The HOME that sessions see."""
    client_key: Path
    """The private key that is let in; ``client_key.pub`` is in ``authorized_keys``."""
    port: int
    login_shell: str | None = None
    user: str = field(default_factory=getpass.getuser)
    host: str = "127.0.0.1"
    _process: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(
        cls,
        folder: Path,
        client_key: Path,
        *,
        extra: str = "",
        login_shell: str | None = None,
        port: int | None = None,
    ) -> Sshd:
        """A running sshd whose files lie in ``folder``.

        ``extra`` are lines for sshd_config, placed first (the first value wins there), so they can override
        anything: ``"MaxStartups 2:100:2"``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        home = folder / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        sshd = cls(folder=folder, home=home, client_key=client_key, port=port or free_port(), login_shell=login_shell)
        sshd.authorized_keys.write_bytes(client_key.with_name(client_key.name + ".pub").read_bytes())
        make_key(sshd.host_key, comment=folder.name)
        sshd.configure(extra)
        sshd.start()
        return sshd

    @property
    def log(self) -> Path:
        return self.folder / "sshd.log"

    @property
    def host_key(self) -> Path:
        return self.folder / "host_key"

    @property
    def authorized_keys(self) -> Path:
        return self.folder / "authorized_keys"

    @property
    def host_public_key(self) -> str:
        """``ssh-ed25519 AAAA…``, without the comment."""
        return " ".join(self.host_key.with_suffix(".pub").read_text().split()[:2])

    @property
    def known_hosts_line(self) -> str:
        """The line for a known_hosts file, with its line end."""
        return f"[{self.host}]:{self.port} {self.host_public_key}\n"

    def configure(self, extra: str = "") -> None:
        """Write sshd_config anew; takes effect at the next ``start``."""
        own = {
            "ListenAddress": self.host,
            "Port": self.port,
            "HostKey": self.host_key,
            "AuthorizedKeysFile": self.authorized_keys,
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "yes" if _account_is_locked(self.user) else "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "yes",
            "UseDNS": "no",
            "PrintMotd": "no",
            "PrintLastLog": "no",
            "MaxStartups": "100:30:200",
            "LogLevel": "VERBOSE",
            "SetEnv": f'HOME="{self.home}"',
        }
        # sshd takes the last MaxStartups, unlike the first of everything else.
        if "maxstartups" in extra.lower():
            del own["MaxStartups"]
        lines = [extra.strip(), *(f"{key} {value}" for key, value in own.items())]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")

    def renew_host_key(self) -> None:
        """Give it another host key, as a reinstalled server would have; takes effect at the next ``start``."""
        self.host_key.unlink()
        self.host_key.with_suffix(".pub").unlink()
        make_key(self.host_key, comment=self.folder.name)

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with its log when it does not."""
        binary = find_sshd()
        assert binary is not None, why_no_sshd()
        if os.geteuid() == 0 and Path("/run").is_dir():
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's privilege separation insists on it
        command = [binary, "-D", "-f", str(self.folder / "sshd_config"), "-E", str(self.log)]
        if self.login_shell is not None:
            command = [*self._namespace(), *command]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_up()

    def stop(self) -> None:
        """End it, every connection it holds and what they run: the server is gone."""
        if self._process is None:
            return
        self.drop_connections()
        self.stop_listening()

    def stop_listening(self) -> None:
        """End the listener alone; connections that are up stay up."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def vanish(self) -> None:
        """Listen no more, and lose every connection; what runs over them goes on."""
        self.cut_connections()
        self.stop_listening()

    def restart(self) -> None:
        """``stop``, then ``start`` on the same port."""
        self.stop()
        self.start()

    def drop_connections(self) -> None:
        """Kill every connection and what they run; the listener stays."""
        if self._process is not None:
            for pid in _descendants(self._process.pid):
                _kill(pid)

    def cut_connections(self) -> None:
        """Kill every connection, and nothing of what runs over it: as a network would lose them."""
        if self._process is not None:
            names = _names()
            for pid in _descendants(self._process.pid):
                if names.get(pid, "").startswith("sshd"):
                    _kill(pid)

    def end_what_it_left(self) -> None:
        """Kill what still runs with this home (Linux): scripts outlive their connections, and tests need not wait."""
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"HOME={self.home}".encode() in environ.read_bytes().split(b"\0"):
                    _kill(int(environ.parent.name))

    def connections(self) -> int:
        """How many connections it holds now."""
        return 0 if self._process is None else sum(1 for parent in _parents().values() if parent == self._process.pid)

    def _namespace(self) -> list[str]:
        """The command that gives what follows it another ``/etc/passwd``."""
        entry = pwd.getpwnam(self.user)
        lines = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith(f"{self.user}:")]
        mine = f"{self.user}:x:{entry.pw_uid}:{entry.pw_gid}::{self.home}:{self.login_shell}"
        passwd = self.folder / "passwd"
        passwd.write_text("\n".join([mine, *lines]) + "\n")
        script = 'mount --bind "$0" /etc/passwd && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(passwd)]

    def _wait_until_up(self) -> None:
        assert self._process is not None
        end = time.monotonic() + _START_DEADLINE_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with socket.create_connection((self.host, self.port), timeout=1) as link:
                    if link.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            time.sleep(0.02)
        self.stop()
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        raise RuntimeError(f"sshd did not come up on port {self.port}:\n{said}")


def _account_is_locked(user: str) -> bool:
    """Whether sshd without PAM would refuse the account for a ``!`` in /etc/shadow (only root can tell)."""
    try:
        entries = Path("/etc/shadow").read_text().splitlines()
    except OSError:
        return False
    return os.geteuid() == 0 and any(entry.startswith(f"{user}:!") for entry in entries)


def _parents() -> dict[int, int]:
    """Each process's parent, for all processes."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return {int(pid): int(parent) for pid, parent in (line.split() for line in listing.splitlines())}


def _names() -> dict[int, str]:
    """Each process's name."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,comm="], capture_output=True, text=True, check=True).stdout
    return {int(pid): name for pid, name in (line.split(maxsplit=1) for line in listing.splitlines())}


def _descendants(root: int) -> list[int]:
    parents = _parents()
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found[1:]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
