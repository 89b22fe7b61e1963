"""Boots hosts for trying things by hand: ``.venv/bin/python -m tests.fleet.run_hosts 20 --behind-jump 4``.

Prints the path of an inventory, waits for Ctrl-C (or the end of standard input), and ends everything.
"""

from __future__ import annotations

import argparse
import contextlib
import sys

from tests.fleet.base import why_no_fleet
from tests.fleet.hosts import Fleet


def main() -> int:
    parser = argparse.ArgumentParser(description="Boot a fleet of Debian hosts and keep it until Ctrl-C.")
    parser.add_argument("hosts", type=int, help="how many web hosts")
    parser.add_argument("--behind-jump", type=int, default=0, help="how many of them behind one more host, jump")
    parser.add_argument("--user", default="deploy", help="deploy, deploy-root or deploy-pw")
    options = parser.parse_args()
    if reason := why_no_fleet():
        print(reason, file=sys.stderr)
        return 1
    fleet = Fleet.boot(webs=options.hosts, behind_jump=options.behind_jump)
    try:
        inventory = fleet.folder / "inventory.yaml"
        inventory.write_text(fleet.inventory(user=options.user))
        print(f"{len(fleet.hosts)} hosts up in {fleet.boot_s:.1f} s", file=sys.stderr)
        print(inventory, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()
    finally:
        fleet.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
