"""Login shells of another family, and rc files that talk: neither is seen by a program."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import MakeSshd
from tests.integration.transport import acting, connector, known_hosts, said, target_of

RC_FILES = {
    "bash": (".bashrc", "echo noise; echo more >&2; printf 'no line end'"),
    "dash": (".profile", "echo noise"),
    "csh": (".cshrc", "echo noise; setenv FROM_RC yes"),
    "tcsh": (".tcshrc", "echo noise; setenv FROM_RC yes"),
    "fish": (".config/fish/config.fish", "echo noise"),
    "zsh": (".zshenv", "echo noise"),
}


@pytest.mark.parametrize("shell", RC_FILES)
async def test_a_program_runs_as_under_any_other_shell(shell: str, make_sshd: MakeSshd, tmp_path: Path) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    sshd = make_sshd(login_shell=path)
    name, text = RC_FILES[shell]
    sshd.home.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
    sshd.home.joinpath(name).write_text(text + "\n")
    async with connector(known_hosts(tmp_path, sshd)) as made:
        session = await made.connect(target_of(sshd))
        data = bytes(range(256)) * 1000
        program = acting(f"printf '%s ' \"$1\"; head -c {len(data)} | wc -c", "it's $HOME", given=(data,))
        assert said(await session.act(program)).split() == ["it's", "$HOME", str(len(data))]


async def test_an_rc_of_ssh_that_talks_does_no_harm(make_sshd: MakeSshd, tmp_path: Path) -> None:
    banner = tmp_path / "banner"
    banner.write_text("\x1b[2Jauthorized people only\n" * 50)
    sshd = make_sshd(extra=f"Banner {banner}")
    rc = sshd.home / ".ssh" / "rc"
    rc.parent.mkdir()
    rc.write_text("echo welcome; echo back >&2\n")
    async with connector(known_hosts(tmp_path, sshd)) as made:
        session = await made.connect(target_of(sshd))
        assert said(await session.act(acting("head -c 2", given=(b"ok",)))) == "ok"
