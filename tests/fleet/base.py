"""The base that fleet hosts boot from: a small Debian, made once by debootstrap, kept outside the checkout.

It is found by the hash of its recipe, and comes from the package mirror that this machine's apt is set up for.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "openssh-server",
    "sudo",
    "curl",
    "zstd",
    "python3",
    "procps",
    "iproute2",
    "busybox",
    "tcsh",
    "fish",
    "zsh",
    "nginx-light",
    "openssl",
)
_TOOLS = ("systemd-nspawn", "debootstrap", "ip", "nsenter", "unshare", "ssh-keygen")


def why_no_fleet() -> str:
    """The reason that no fleet can be booted here; empty when one can."""
    if sys.platform != "linux":
        return "a fleet of Debian hosts needs Linux"
    if os.geteuid() != 0:
        return "a fleet of Debian hosts needs root (systemd-nspawn)"
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        return f"a fleet of Debian hosts needs {', '.join(missing)} (make test installs them on Debian)"
    if not _codename():
        return "a fleet of Debian hosts is made only on Debian, from its own mirror"
    nobodys = 1000 + os.getpid()  # fleets have smaller numbers
    probe = subprocess.run(warden_command(nobodys, "probe"), capture_output=True, text=True, check=False)
    return "" if probe.returncode == 0 else f"a fleet of Debian hosts cannot be had here: {probe.stderr.strip()}"


def warden_command(number: int, purpose: str) -> list[str]:
    """The words that run ``warden.sh`` in a mount namespace of its own."""
    script = str(HERE / "warden.sh")
    return ["unshare", "--mount", "--propagation", "private", "sh", script, str(number), purpose]


def base_folder() -> Path:
    """The base's root folder, made now if it is not there yet (about a minute). Never written to afterwards."""
    cache = Path(os.environ.get("OCTO_FLEET_CACHE") or Path.home() / ".cache" / "octo-ssh-fleet")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / _recipe_hash()
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for stale in cache.glob("*.tmp"):
                shutil.rmtree(stale)
            _make(Path(tempfile.mkdtemp(dir=cache, suffix=".tmp")), folder)
    return folder


def mirror(codename: str) -> str:
    """The address that this machine's apt gets the packages of ``codename`` from.

    Raises LookupError where no configured source offers it.
    """
    for kind, address, suites, components in _sources(Path("/etc/apt")):
        if kind == "deb" and codename in suites and "main" in components:
            return address
    raise LookupError(f"no apt source of this machine offers {codename} main")


def _make(root: Path, final: Path) -> None:
    root.chmod(0o755)
    codename = _codename()
    log = final.with_suffix(".log")
    finish = root / "base.sh"
    environment = {**os.environ, **_proxy(), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    words = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", codename, str(root)]
    with log.open("w") as said:
        for command in ([*words, mirror(codename)], ["chroot", str(root), "sh", "/base.sh"]):
            if command[0] == "chroot":
                shutil.copyfile(HERE / "base.sh", finish)
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment, check=False
            )
            if done.returncode != 0:
                shutil.rmtree(root, ignore_errors=True)
                raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{log.read_text()[-2000:]}")
    finish.unlink()
    root.rename(final)


def _recipe_hash() -> str:
    recipe = [_codename(), platform.machine(), *PACKAGES, (HERE / "base.sh").read_text()]
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]


def _codename() -> str:
    """This Debian's codename; empty where this is no Debian."""
    release = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    fields = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    return fields.get("VERSION_CODENAME", "").strip('"') if fields.get("ID") == "debian" else ""


def _sources(apt: Path) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """What apt is set up for, as (type, address, suites, components), from both forms of file."""
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]:
        for line in path.read_text().splitlines() if path.exists() else ():
            words = re.sub(r"\[[^]]*\]", "", line.partition("#")[0]).split()
            if len(words) >= 3:
                yield words[0], words[1], [words[2]], words[3:]
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        for paragraph in re.split(r"\n\s*\n", path.read_text()):
            fields = {
                key.strip().lower(): value.split()
                for key, _, value in (line.partition(":") for line in paragraph.splitlines() if line[:1] not in "# \t")
            }
            if fields.get("enabled") != ["no"]:
                for kind in fields.get("types", ()):
                    for address in fields.get("uris", ()):
                        yield kind, address, fields.get("suites", []), fields.get("components", [])


def _proxy() -> dict[str, str]:
    """apt's own proxy setting, in the form that debootstrap's downloader reads."""
    words = ["apt-config", "shell", "PROXY", "Acquire::http::Proxy"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = re.match(r"PROXY='([^']+)'", answer)
    return {"http_proxy": found.group(1)} if found else {}
