"""The invariants themselves: whatever is broken by hand is found, under its own name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.invariants import at_rest
from tests.faults.stand import ROOT, TO, Stand, stand
from tests.fleet.hosts import Fleet

RUN = "systemd-run --quiet --unit=broken --service-type=exec"
BREAKAGES = {
    "a file is another": ("current", f"echo more >>{TO}/current/lib/part03.txt"),
    "a file has another mode": ("current", f"chmod 600 {TO}/current/etc/app.conf"),
    "a file is missing": ("current", f"rm {TO}/current/www/healthz"),
    "a file is too many": ("current", f"touch {TO}/current/lib/more"),
    "the manifest is gone": ("current", f"rm {TO}/releases/*.json"),
    "current is a folder": ("current", f"rm {TO}/current; mkdir {TO}/current"),
    "current points elsewhere": ("current", f"ln -sfn /etc {TO}/current"),
    "an old release is not whole": ("releases", f"mkdir {TO}/releases/0.1"),
    "an old manifest is left": ("rubble", f"touch {TO}/releases/0.1.json"),
    "an unfinished release is left": ("rubble", f"mkdir {TO}/releases/.1.0.tmp"),
    "a folder of building is left": ("rubble", f"mkdir {TO}/.octo-ssh/build.1.0"),
    "a bundle is left": ("rubble", f"mkdir -p {ROOT}/store; touch {ROOT}/store/.0123.part"),
    "a run's folder is left": ("rubble", f"mkdir -p {ROOT}/work/20261124T070312Z-4f9c"),
    "an old right to switch is left": ("rubble", f"mkdir {TO}/.octo-ssh/.flip.0.00ff"),
    "a line of the journal is cut off": ("journal", f"printf '{{' >>{ROOT}/journal.jsonl"),
    "a line of the journal is gone": ("journal", f"sed -i 2d {ROOT}/journal.jsonl"),
    "the baseline is damaged": ("baseline", f"echo x >{ROOT}/state/faults/default.json"),
    "the lock is held": ("lock", f"ln -s 'ffff:90:b:1:w' {ROOT}/lock/99"),
    "a process carries a mark": ("process", f"{RUN} --setenv=OCTO_MARK=00ff sleep 30"),
    "a process of the login runs": ("process", f"{RUN} --uid=deploy sleep 30"),
    "a program of ours runs": ("process", f"{RUN} tail -f {ROOT}/journal.jsonl"),
}
"""By name: the rule that is broken, and the command that breaks it."""
KEEP = "rm -rf /root/kept; mkdir /root/kept; cp -a /srv/faults /home/deploy/.octo-ssh /root/kept/"
BACK = (
    "systemctl --quiet stop broken; systemctl --quiet reset-failed broken; rm -rf /srv/faults /home/deploy/.octo-ssh;"
    " cp -a /root/kept/faults /srv/; cp -a /root/kept/.octo-ssh /home/deploy/"
)


@pytest.fixture(scope="module")
def well(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A host where all is well."""
    with stand(fleet, tmp_path_factory.mktemp("well"), "web-01", proxied=False) as made:
        made.first_release()
        made.hosts_used[0].run(KEEP)
        yield made
        made.hosts_used[0].run("rm -rf /root/kept")


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_is_broken_is_found(well: Stand, name: str) -> None:
    rule, command = BREAKAGES[name]
    (host,) = well.hosts_used
    assert at_rest(well.scope(host)) == []
    host.run(command)
    try:
        found = at_rest(well.scope(host), patience_s=0.0)
    finally:
        host.run(BACK, check=False)
    assert rule in {violation.rule for violation in found}
