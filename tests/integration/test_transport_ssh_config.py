"""ssh_config as people write it, each shape with a login to a real sshd at its end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.errors import Unreachable
from octo_ssh.model.inventory import Fallback, Hop, Target
from tests.conftest import MakeSshd
from tests.integration.sshd import Sshd, make_key
from tests.integration.transport import HERE, connector, home_of, known_hosts

Write = Callable[..., str]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own: nothing of the person who runs the tests is looked at."""
    home = tmp_path / "me"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


@pytest.fixture
def write(own_home: Path, sshd: Sshd) -> Write:
    """Writes ``~/.ssh/config``; ``{port}``, ``{key}`` and ``{user}`` are the sshd's."""

    def write(text: str, name: str = "config") -> str:
        path = own_home / ".ssh" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{port}", str(sshd.port)).replace("{key}", str(sshd.client_key)))
        path.chmod(0o600)
        return str(path)

    return write


def bare(name: str = "web-01", **changes: object) -> Target:
    return replace(Target(name, HERE), **changes)  # type: ignore[arg-type]


@pytest.fixture
def own_nc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ``nc HOST PORT`` in PATH, whether or not this machine has one."""
    tool = tmp_path / "bin" / "nc"
    tool.parent.mkdir()
    tool.write_text(f"#!{sys.executable}\n{NC}")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")


NC = """
import os, socket, sys, threading
link = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def send():
    while data := os.read(0, 65536):
        link.sendall(data)
    link.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := link.recv(65536):
    os.write(1, data)
"""

SHAPES = {
    "a plain alias": "Host web-01\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n",
    "keys with equal signs, quotes and comments": (
        'Host=web-01   # the shop\n\tHostName = "127.0.0.1"\n\tPort={port} # odd\n\tIdentityFile "{key}"\n'
    ),
    "macOS with everything turned on": (
        "IgnoreUnknown UseKeychain,AddKeysToAgent\n"
        "Host *\n  UseKeychain yes\n  AddKeysToAgent yes\n  ForwardAgent yes\n  SendEnv LANG LC_*\n  SetEnv FOO=bar\n"
        "  ControlMaster auto\n  ControlPath ~/.ssh/cm-%r@%h:%p\n  ControlPersist 10m\n  RequestTTY force\n"
        "  RemoteCommand tmux new -A -s main\n  LocalForward 8080 localhost:80\n  DynamicForward 1080\n"
        "  ServerAliveInterval 60\n  VisualHostKey yes\n  SomethingOfTomorrow maybe\n"
        "Host web-*\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n"
    ),
    "the first value wins": (
        "Host web-01\n  Port {port}\nHost web-?? !web-99\n  Port 1\n  HostName 127.0.0.1\n  IdentityFile {key}\n"
    ),
    "several identities with IdentitiesOnly": (
        "Host *\n  IdentitiesOnly yes\n  IdentityFile ~/.ssh/none\n  IdentityFile %d/.ssh/for-%n-%p\n"
        "Host web-01\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n"
    ),
    "a host key alias": (
        "Host web-01\n  HostName 127.0.0.1\n  HostKeyAlias [127.0.0.1]:{port}\n  Port {port}\n  IdentityFile {key}\n"
    ),
    "Match by host, user and command": (
        "Match originalhost web-01 exec \"test %n = web-01\"\n  HostName 127.0.0.1\n"
        "Match exec \"exit 1\"\n  Port 1\n"
        "Match host 127.0.0.* !user nobody\n  Port {port}\nMatch all\n  IdentityFile {key}\n"
    ),
    "Match final sees the final host": (
        "Host web-01\n  HostName 127.0.0.1\nMatch final host 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n"
    ),
    "times with units": (
        "Host web-01\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n  ConnectTimeout 1m\n"
        "  ServerAliveInterval 30s\n  AddressFamily inet\n"
    ),
    "a corporate ProxyCommand": (
        "Host *.corp\n  ProxyCommand none\nHost web-*\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n"
        "  ProxyCommand sh -c 'echo warning >&2; exec nc %h %p' 2>/dev/null\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
async def test_a_real_world_ssh_config_leads_to_its_host(
    name: str, sshd: Sshd, write: Write, tmp_path: Path, own_nc: None
) -> None:
    write(SHAPES[name])
    assert await home_of(known_hosts(tmp_path, sshd), bare()) == str(sshd.home)


async def test_included_files_are_read_in_the_order_of_their_names(sshd: Sshd, write: Write, tmp_path: Path) -> None:
    write("Include conf.d/*.conf\nHost *\n  Port 2\n")
    write("Host web-*\n  Port 1\n  HostName 192.0.2.1\n", "conf.d/20-late.conf")
    write("Host web-01\n  Port {port}\n  HostName 127.0.0.1\n  IdentityFile {key}\n", "conf.d/10-early.conf")
    assert await home_of(known_hosts(tmp_path, sshd), bare()) == str(sshd.home)


async def test_a_bastion_for_everything_behind_it(
    make_sshd: MakeSshd, sshd: Sshd, write: Write, tmp_path: Path
) -> None:
    bastion = make_sshd()
    write(
        f"Host * !bastion\n  ProxyJump bastion\nHost bastion\n  HostName 127.0.0.1\n  Port {bastion.port}\n"
        "Host web-*\n  HostName 127.0.0.1\n  Port {port}\nHost *\n  IdentityFile {key}\n"
    )
    known = known_hosts(tmp_path, sshd, bastion)
    assert await home_of(known, bare()) == str(sshd.home)
    assert "Accepted publickey" in bastion.log.read_text()


async def test_a_bastion_is_never_its_own_jump_host(
    make_sshd: MakeSshd, sshd: Sshd, write: Write, tmp_path: Path
) -> None:
    write("Host *\n  ProxyJump bastion\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n")
    assert await home_of(known_hosts(tmp_path, sshd), bare("bastion")) == str(sshd.home)


async def test_hosts_are_canonicalized(
    sshd: Sshd, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        if host == "web-01.corp.example":
            return real("127.0.0.1", *rest, **more)
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    write(
        "CanonicalizeHostname yes\nCanonicalDomains corp.invalid corp.example\nCanonicalizeMaxDots 0\n"
        "Host web-01.corp.example\n  Port {port}\n  IdentityFile {key}\n"
    )
    known = tmp_path / "known_hosts"
    known.write_text(f"[web-01.corp.example]:{sshd.port} {sshd.host_public_key}\n")
    assert await home_of(known, bare()) == str(sshd.home)


async def test_the_order_is_target_then_ssh_config_then_defaults(sshd: Sshd, write: Write, tmp_path: Path) -> None:
    known = known_hosts(tmp_path, sshd)
    fallback = Fallback(host="127.0.0.1", user="somebody-else", port=sshd.port, identity=(str(sshd.client_key),))
    write(f"Host web-01\n  User {sshd.user}\nHost web-02\n  HostName 192.0.2.1\n  Port 1\n")
    assert await home_of(known, bare(fallback=fallback)) == str(sshd.home)
    own = bare("web-02", host="127.0.0.1", port=sshd.port, user=sshd.user, fallback=fallback)
    assert await home_of(known, own) == str(sshd.home)
    with pytest.raises(Unreachable, match="permission denied for somebody-else"):
        await home_of(known, bare("web-03", fallback=fallback))


async def test_ssh_config_can_be_turned_off_or_be_another_file(
    sshd: Sshd, write: Write, tmp_path: Path, own_home: Path
) -> None:
    known = known_hosts(tmp_path, sshd)
    write("Host *\n  HostName 192.0.2.1\n  Port 1\n")
    direct = bare(host="127.0.0.1", port=sshd.port, identity=(str(sshd.client_key),))
    assert await home_of(known, replace(direct, ssh_config="none")) == str(sshd.home)
    other = write("Host *\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n", "other")
    assert await home_of(known, bare(ssh_config=other)) == str(sshd.home)
    with pytest.raises(Unreachable, match="is not there"):
        await home_of(known, bare(ssh_config=str(own_home / "missing")))


async def test_a_jump_of_the_target_beats_ssh_config(
    make_sshd: MakeSshd, sshd: Sshd, write: Write, tmp_path: Path
) -> None:
    write(
        "Host web-01\n  HostName 127.0.0.1\n  Port {port}\n  ProxyJump nowhere.invalid\nHost *\n  IdentityFile {key}\n"
    )
    known = known_hosts(tmp_path, sshd)
    assert await home_of(known, bare(jump=())) == str(sshd.home)
    bastion = make_sshd()
    known = known_hosts(tmp_path, sshd, bastion)
    assert await home_of(known, bare(jump=(Hop("127.0.0.1", port=bastion.port),))) == str(sshd.home)


async def test_the_usual_files_are_tried(sshd: Sshd, own_home: Path, tmp_path: Path) -> None:
    shutil.copy(sshd.client_key, own_home / ".ssh" / "id_ed25519")
    target = bare(host="127.0.0.1", port=sshd.port)
    assert await home_of(known_hosts(tmp_path, sshd), target) == str(sshd.home)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Host *\n  Port many\n", "config:2: port must be a number from 1 to 65535, not 'many'"),
        ('Host *\n  HostName "web\n', "config:2: a quote is opened and not closed"),
        ("Host *\n  IdentityFile ~/.ssh/%z\n", "unknown token %z"),
        ("Match\n  Port 1\n", "config:1: Match needs a criterion"),
        ("Match wind north\n  Port 1\n", "config:1: Match wind is not supported"),
        ("Host *\n  ConnectTimeout soon\n", "config:2: 'soon' is not a time"),
        ("Include config\n", "Include goes too deep"),
        ("Host *\n  ProxyJump @:x\n", "is not a jump host"),
        ("Host web-01\n  ProxyJump a\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n", "circle: web-01 → a → b → a"),
    ],
)
async def test_a_mistake_is_shown_with_its_place(text: str, words: str, write: Write, tmp_path: Path) -> None:
    write(text)
    with pytest.raises(Unreachable) as caught:
        await home_of(tmp_path / "none", bare())
    assert words in str(caught.value)


async def test_a_config_that_others_may_write_is_not_used(write: Write, tmp_path: Path) -> None:
    os.chmod(write("Host *\n  Port 1\n"), 0o666)
    with pytest.raises(Unreachable, match="may be written by others"):
        await home_of(tmp_path / "none", bare())


async def test_the_agent_named_in_ssh_config_is_asked(sshd: Sshd, write: Write, tmp_path: Path) -> None:
    write("Host *\n  IdentityAgent ~/.ssh/no-agent\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile none\n")
    with pytest.raises(Unreachable, match=r"the agent at .*no-agent does not answer"):
        await home_of(known_hosts(tmp_path, sshd), bare())


def certify_user(authority: Path, key: Path, user: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", user, f"{key}.pub"], check=True)


async def test_a_certificate_file_is_used(make_sshd: MakeSshd, write: Write, tmp_path: Path) -> None:
    authority = make_key(tmp_path / "user-ca")
    sshd = make_sshd(extra=f"TrustedUserCAKeys {authority}.pub\nAuthorizedKeysFile none")
    key = make_key(tmp_path / "mine")
    certify_user(authority, key, sshd.user)
    shutil.move(f"{key}-cert.pub", tmp_path / "elsewhere.pub")
    write(
        f"Host *\n  HostName 127.0.0.1\n  Port {sshd.port}\n  IdentityFile {key}\n"
        f"  CertificateFile {tmp_path}/elsewhere.pub\n"
    )
    async with connector(known_hosts(tmp_path, sshd), bare()) as made:
        await made.connect(bare())
    assert "Accepted certificate" in sshd.log.read_text() or "CERT" in sshd.log.read_text()
