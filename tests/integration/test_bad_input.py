"""Whatever stands in a file or on the command line: the message its user needs, an exit code, never a traceback."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from octo_ssh.cli.program import build
from tests.integration.bad_inputs import CONNECTIONS, FILES, INVENTORY, PLAN, TYPED, Bad
from tests.integration.bad_packages import PACKAGES
from tests.integration.sshd import Sshd

EVERY = [*TYPED, *FILES, *PACKAGES, *CONNECTIONS]


def _lay_out(folder: Path, bad: Bad, sshd: Sshd) -> None:
    """The files of a row, the good ones among them."""
    locked = folder / "locked"
    shutil.copyfile(sshd.client_key, locked)
    locked.chmod(0o600)
    command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "the-right-one", "-f", str(locked)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    whole = {
        "PUBLIC": sshd.client_key.with_suffix(".pub").read_bytes(),
        "PRIVATE": sshd.client_key.read_bytes(),
        "LOCKED": locked.read_bytes(),
    }
    words = {b"PORT": str(sshd.port).encode(), b"USER": sshd.user.encode(), b"KEY": str(sshd.client_key).encode()}
    good = {
        "inventory.yaml": INVENTORY,
        "plan.yaml": PLAN,
        "known_hosts": sshd.known_hosts_line,
        "release/a": "1",
    }
    for name, content in {**good, **bad.files}.items():
        if content is None:
            continue
        raw = whole.get(content) if isinstance(content, str) else content
        if raw is None:
            assert isinstance(content, str)
            raw = content.encode()
            for word, value in words.items():
                raw = raw.replace(word, value) if len(raw) < 100_000 else raw
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(raw)
        path.chmod(0o600 if name == "key" else 0o644)


@pytest.mark.parametrize("bad", EVERY, ids=[bad.title for bad in EVERY])
def test_a_mistake_is_told_and_nothing_is_done(
    bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sshd_pool: Callable[[int], list[Sshd]]
) -> None:
    (sshd,) = sshd_pool(1)
    _lay_out(tmp_path, bad, sshd)
    monkeypatch.chdir(tmp_path)
    for name, value in {"PATH": "/usr/bin:/bin", "LANG": "C", "HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    for name in ("SSH_AUTH_SOCK", "OCTO_SSH_STATE", "OCTO_SSH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for verb in ("plan", "apply"):
        done = CliRunner().invoke(build(), [verb, bad.plan_path, *bad.words])
        assert done.exit_code == bad.code, done.output
        for words in bad.says:
            assert words in done.output
        assert "Traceback" not in done.output
        assert "internal error" not in done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
    assert not any(sshd.home.iterdir())


def test_there_are_many_of_them() -> None:
    assert len(EVERY) >= 60
    assert len({bad.title for bad in EVERY}) == len(EVERY)
