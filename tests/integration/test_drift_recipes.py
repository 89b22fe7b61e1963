"""The recipes of docs/drift.md, taken from it and run as written, in cron's environment, against real sshds."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.checks import FILES, PORT, STEPS
from tests.integration.farm import Farm
from tests.integration.sshd import Sshd
from tests.integration.test_drift_history import Receiver, receiver

__all__ = ["receiver"]
ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs/recipes/drift"
PAGE = (ROOT / "docs/drift.md").read_text(encoding="utf-8")


def fenced(kind: str) -> str:
    """The code on the page."""
    [text] = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def cron() -> str:
    """The command of the crontab on the page; cron gives it to /bin/sh, ``%`` would be a newline."""
    [line] = [line for line in fenced("crontab").splitlines() if re.match(r"[0-9*]", line)]
    command = line.split(None, 5)[5]
    assert "%" not in command
    return command


def systemd(home: Path) -> str:
    """What the unit on the page starts, where it starts it."""
    keys = dict(line.split("=", 1) for line in fenced("ini").splitlines() if "=" in line)
    folder, words = (keys[name].replace("%h", str(home)) for name in ("WorkingDirectory", "ExecStart"))
    return f"cd {shlex.quote(folder)} && exec {words}"


def gitlab() -> str:
    return "\n".join(["set -e", *yaml.safe_load((RECIPES / "gitlab-ci.yml").read_text())["drift"]["script"]])


def github() -> str:
    steps = yaml.safe_load((RECIPES / "github-workflow.yml").read_text())["jobs"]["drift"]["steps"]
    [script] = [step["run"] for step in steps if "run" in step]
    return f"set -e\n{script}"


@pytest.fixture
def shop(tmp_path: Path, sshd_pool: Callable[[int], list[Sshd]]) -> Iterator[Farm]:
    """As the page has it: the plan in ``~/shop``, the program in ``~/.local/bin``, production deployed."""
    home = tmp_path / "home"
    (home / "shop").mkdir(parents=True)
    sshds = sshd_pool(2)
    farm = Farm(home / "shop", {f"web-{number}": sshd for number, sshd in enumerate(sshds, 1)})
    farm.env = {"PATH": "/usr/bin:/bin", "LANG": "C", "HOME": str(home)}
    farm.write_known_hosts()
    farm.write_inventory(environments={"production": {}})
    program = home / ".local/bin/octo-ssh"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\nfrom octo_ssh.cli import main\nmain()\n")
    program.chmod(0o755)
    farm.write_release(FILES)
    farm.write_plan(STEPS, variables=PORT)
    assert farm.apply("-e", "production").code == 0
    yield farm
    farm.close()


def run(shop: Farm, command: str, **more: str) -> tuple[int, str, str]:
    """``env -i`` and cron's few variables."""
    env = {**shop.env, **more}
    words = ["env", "-i", *(f"{name}={value}" for name, value in env.items()), "/bin/sh", "-c", command]
    done = subprocess.run(words, cwd=env["HOME"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def damage(shop: Farm) -> None:
    (shop.to(environment="production") / "current/lib/a").write_text("somebody was here\n")


def test_cron_is_silent_while_all_is_well_and_tells_what_is_not(shop: Farm) -> None:
    assert run(shop, cron()) == (0, "", "")
    shop.hosts["web-2"].stop()
    code, out, err = run(shop, cron())
    assert (code, err, "unreachable  web-2" in out, "in sync 1 (of 2)" in out) == (4, "", True, True)
    shop.hosts["web-2"].start()
    damage(shop)
    code, out, err = run(shop, cron())
    assert (code, err, "web-1: lib/a changed" in out) == (3, "", True)


def test_the_systemd_unit_writes_the_page_and_tells_somebody(shop: Farm, receiver: Receiver) -> None:
    shop.write("notify.txt", f"{receiver.url}\n", mode=0o600)
    command = systemd(Path(shop.env["HOME"]))
    assert run(shop, command) == (0, "", "")
    assert (shop.folder / "drift.html").exists()
    assert receiver.told == []
    damage(shop)
    code, out, err = run(shop, command)
    assert (code, err, "lib/a changed" in out, len(receiver.told)) == (3, "", True, 1)
    assert "lib/a" in (shop.folder / "drift.html").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units(shop: Farm) -> None:
    home = Path(shop.env["HOME"])
    for name in ("octo-ssh-drift.service", "octo-ssh-drift.timer"):
        (home / name).write_text((RECIPES / name).read_text().replace("%h", str(home)))
    words = ["systemd-analyze", "verify", "--man=no", *(str(home / name) for name in ("octo-ssh-drift.timer",))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "octo-ssh-drift" not in done.stderr, done.stderr


@pytest.mark.parametrize("kind", ["gitlab", "github"])
def test_ci_finds_drift_with_a_key_of_its_own_and_keeps_the_page(kind: str, shop: Farm) -> None:
    path = shop.folder / "inventory.yaml"
    inventory = yaml.safe_load(path.read_text())
    key = inventory["defaults"].pop("identity")
    path.write_text(yaml.safe_dump(inventory))
    command = f"cd shop\n{gitlab() if kind == 'gitlab' else github()}"
    secret = key if kind == "gitlab" else Path(key).read_text()
    more = {
        "PATH": f"{shop.env['HOME']}/.local/bin:/usr/bin:/bin",
        "SSH_KEY": secret,
        "OCTO_SSH_STATE": str(shop.folder / ".octo-ssh-state"),
    }
    code, out, _ = run(shop, command, **more)
    assert (code, "drift: none; in sync 2 (of 2)" in out) == (0, True)
    damage(shop)
    code, out, _ = run(shop, command, **more)
    assert (code, bool(re.search("lib/a changed.*, new ", out))) == (3, True), out
    assert "lib/a" in (shop.folder / "drift.html").read_text()
    assert (shop.folder / ".octo-ssh-state/drift.db").exists()
