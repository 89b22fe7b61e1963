"""The sshd fixture itself does what the other tests rely on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.integration.sshd import Sshd


def ssh(sshd: Sshd, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """One command through OpenSSH's own client, with strict host keys."""
    known_hosts = sshd.folder / "known_hosts"
    known_hosts.write_text(sshd.known_hosts_line)
    options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={known_hosts}",
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
    ]
    words = ["ssh", "-F", "none", "-p", str(sshd.port), "-i", str(sshd.client_key)]
    for option in options:
        words += ["-o", option]
    words += [f"{sshd.user}@{sshd.host}", command]
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=20)


def test_a_session_sees_its_own_home(sshd: Sshd) -> None:
    done = ssh(sshd, "sh -s", 'printf "%s|" "$HOME" ~; exit 7\n')
    assert (done.stdout, done.returncode) == (f"{sshd.home}|{sshd.home}|", 7)


def test_each_of_a_farm_has_its_own_home_and_key(sshd_farm: Callable[[int], list[Sshd]]) -> None:
    farm = sshd_farm(3)
    assert [ssh(sshd, "sh -s", 'echo "$HOME"').stdout.strip() for sshd in farm] == [str(sshd.home) for sshd in farm]
    assert len({sshd.host_public_key for sshd in farm}) == 3


def test_a_stopped_sshd_refuses_and_a_started_one_answers_again(sshd: Sshd) -> None:
    sshd.stop()
    assert ssh(sshd, "true").returncode == 255
    sshd.start()
    assert ssh(sshd, "true").returncode == 0


def test_a_renewed_host_key_is_another_key(sshd: Sshd) -> None:
    before = sshd.host_public_key
    sshd.renew_host_key()
    sshd.restart()
    assert sshd.host_public_key != before
    assert ssh(sshd, "true").returncode == 0


def test_extra_lines_of_configuration_win(make_sshd: Callable[..., Sshd]) -> None:
    sshd = make_sshd(extra="PubkeyAuthentication no")
    assert ssh(sshd, "true").returncode == 255
    assert "Permission denied" in ssh(sshd, "true").stderr


@pytest.mark.parametrize("shell", ["bash", "dash", "csh", "fish"])
def test_the_login_shell_can_be_another(make_sshd: Callable[..., Sshd], shell: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    sshd = make_sshd(login_shell=path)
    assert ssh(sshd, "echo $0 $PWD").stdout.split() == [shell, str(sshd.home)] or shell in ("csh", "fish")
    assert ssh(sshd, "sh -s", 'echo "$SHELL"').stdout.strip() == path
