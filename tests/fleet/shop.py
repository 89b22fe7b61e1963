"""The shop: a release of 2,000 files and 56 MB with a real service, as the fleet tests deploy it."""

from __future__ import annotations

import random
from pathlib import Path

FILES = 2000
BINARY_BYTES = 20_000_000
TOTAL_BYTES = 56_000_000
EDITED = 60
PORT = 8080

UNIT = f"""[Unit]
Description=The shop

[Service]
ExecStart=/bin/busybox httpd -f -p 127.0.0.1:{PORT} -h /srv/shop/current/www
Restart=no

[Install]
WantedBy=multi-user.target
"""
"""busybox httpd goes into its folder once, at start: without a restart it serves the release before."""

CAREFUL = "{window: 50%, canary: 1, max_failures: 1}"
ALL_AT_ONCE = "{window: 100%, max_failures: 100%}"
"""So that a bad release reaches every target."""

PLAN = f"""\
version: 1
project: shop
release: "1.0.0"
packages:
  shop:
    dir: release
variables:
  greeting: hello
steps:
  - name: Prepare
    on: [web]
    run: test -d "$OCTO_RELEASE_DIR/www" && echo "preparing $OCTO_RELEASE on $OCTO_TARGET"
  - name: Roll out
    on: [web]
    rolling: {CAREFUL}
    steps:
      - name: Deploy shop
        package: shop
        to: /srv/shop
        keep: 3
        shared: [var/uploads]
        configure: [config/shop.conf]
        activate: sudo systemctl restart shop
        verify: {{http: "http://127.0.0.1:{PORT}/healthz", contains: "ok ${{{{ release }}}}", within: 10s, every: 1s}}
  - name: Smoke test
    on: [web]
    check: {{command: [curl, -fsS, "http://127.0.0.1:{PORT}/healthz"], within: 10s}}
"""


def write_release(folder: Path, version: str, *, edited: int = 0, healthy: bool = True) -> None:
    """A release folder. The same arguments give the same bytes; ``edited`` files differ from the base release's."""
    words = [f"word{number}" for number in range(4000)]
    text_bytes = (TOTAL_BYTES - BINARY_BYTES) // (FILES - 4)
    for number in range(FILES - 4):
        chance = random.Random(number)
        lines = _text(chance, words, text_bytes)
        if number < edited:
            lines[10] = f"edited for {version}"
        _write(folder / f"lib/part{number % 40:02d}/module{number:04d}.txt", "\n".join(lines).encode())
    binary = random.Random("binary")
    _write(folder / "bin/shop", bytes(binary.getrandbits(8) & 0x3F for _ in range(BINARY_BYTES // 100)) * 100)
    (folder / "bin/shop").chmod(0o755)
    _write(folder / "www/healthz", (f"ok {version}\n" if healthy else "broken\n").encode())
    _write(folder / "config/shop.conf", b"greeting=${{ greeting }}\ntarget=${{ target }}\n")
    _write(folder / "var/uploads/README", b"uploads live here\n")


def _text(chance: random.Random, words: list[str], size: int) -> list[str]:
    lines: list[str] = []
    left = size
    while left > 0:
        line = " ".join(chance.choices(words, k=12))[: max(1, left - 1)]
        lines.append(line)
        left -= len(line) + 1
    return lines


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
