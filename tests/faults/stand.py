"""Where faults are tried: hosts of the fleet behind proxies, a plan with every kind of step, and the checks after it.

The script of the plan says how often it ran and prints what can be predicted to the byte; the service that the release
brings says which release it serves.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.invariants import PATIENCE_S, Scope, Violation, at_rest, current, journal, standing
from tests.faults.proxy import Proxies, Proxy
from tests.faults.watching import Hit, Line, Watched, where
from tests.fleet.bench import Bench
from tests.fleet.hosts import JUMP, Fleet, Host
from tests.integration.commands import Command
from tests.integration.farm import Told

PRINTING = '"event":"step_output"'
"""In the event that tells that the script has begun to print."""
PUSHING = '"event":"push_started"'
TO = "/srv/faults"
ROOT = "/home/deploy/.octo-ssh"
PORT = 8090
SLOW_LINES = 40
LINES = 400
UNIT = f"""[Unit]
Description=What the fault tests deploy
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/busybox httpd -f -p 127.0.0.1:{PORT} -h {TO}/current/www
Restart=no

[Install]
WantedBy=multi-user.target
"""
SCRIPT = f"""\
echo "begin $OCTO_RELEASE" >>"$HOME/ran"
i=0
while [ $i -lt {LINES} ]; do
  i=$((i + 1))
  echo "line $i of $OCTO_RELEASE on $OCTO_TARGET, as long as lines of a log are when nobody looks at them closely"
  [ $i -gt {SLOW_LINES} ] || sleep 0.03
done
echo "end $OCTO_RELEASE" >>"$HOME/ran"
"""
STEPS = f"""
- name: Settings
  "on": [web]
  file: ~/settings.conf
  content: "release ${{{{ release }}}}\\n"
  on_change: echo "$OCTO_RELEASE" >>~/reloads
- name: Count
  "on": [web]
  run: |
{"".join(f"    {line}" for line in SCRIPT.splitlines(keepends=True))}
- name: Deploy
  "on": [web]
  package: shop
  to: {TO}
  keep: 1
  shared: [var/uploads]
  configure: [etc/app.conf]
  activate: sudo systemctl restart faults
  verify: {{http: "http://127.0.0.1:{PORT}/healthz", contains: "ok ${{{{ release }}}}", within: 20s, every: 1s}}
- name: Look
  "on": [web]
  check: {{command: [curl, -fsS, "http://127.0.0.1:{PORT}/healthz"], within: 20s}}
"""


def expected_output(release: str, target: str) -> str:
    """What the script prints."""
    tail = "as long as lines of a log are when nobody looks at them closely"
    return "".join(f"line {number} of {release} on {target}, {tail}\n" for number in range(1, LINES + 1))


def in_short(told: Told) -> str:
    """How a run ended that did not end well."""
    wrong = [e for e in told.all("step_ended") if e["outcome"] not in ("changed", "unchanged", "skipped")]
    said = [f"{e['step']} on {e['target']} {e['outcome']}: {e['reason'][:300]}" for e in wrong]
    lost = [f"{e['target']} {e['outcome']}: {e['reason'][:300]}" for e in told.all("target_lost")]
    return f"exit {told.code}: {said} {lost} {told.stderr[-500:]}"


@dataclass(slots=True)
class Stand(Bench):
    """The command line against some hosts of the fleet, each behind a proxy where the stand has proxies."""

    names: tuple[str, ...] = field(default=("web-01", "web-02"), kw_only=True)
    proxies: Proxies | None = field(default=None, kw_only=True)
    release: str = field(default="0", kw_only=True)
    last: int = field(default=0, kw_only=True)
    """The number of the last release."""
    before: dict[str, str | None] = field(default_factory=dict, kw_only=True)
    """By host: what was current when the release was made."""
    guests: tuple[str, ...] = field(default=(), kw_only=True)
    """The targets, where they have other names than the one host that all of them are on."""
    hits: list[Hit] = field(default_factory=list, kw_only=True)
    """What has struck, and nobody has taken yet."""

    def set_up(self) -> None:
        """Hosts with the unit on them and nothing deployed, and the inventory."""
        for host in self.hosts_used:
            clear(host)
            host.run(
                f"printf '%s' '{UNIT}' >/etc/systemd/system/faults.service && systemctl daemon-reload"
                f" && systemctl enable --quiet faults && install -d -o deploy {TO}"
            )
        self.write_inventory_of({})

    def renew(self) -> None:
        """Begin anew: hosts as from the factory, and a controller that remembers nothing."""
        if self.proxies is not None:
            self.mend()
        self.kill_all()
        for host in self.hosts_used:
            host.plug_in()
            host.reset()
        shutil.rmtree(self.state, ignore_errors=True)
        self.set_up()

    def write_inventory_of(self, keys: Mapping[str, dict[str, Any]], **top: Any) -> None:
        """The inventory, with more keys for some targets."""
        lines = [f"{host.name},{host.ip} {host.host_public_key}\n" for host in self.fleet.hosts.values()]
        if self.proxies is not None:
            near = [host for host in self.fleet.hosts.values() if not host.behind_jump]
            lines += [f"[127.0.0.1]:{self.proxy(host.name).port} {host.host_public_key}\n" for host in near]
        (self.folder / "known_hosts").write_text("".join(lines))
        names = [*self.names, *([JUMP] if self._needs_jump else [])]
        self.write_targets(
            {name: dict(keys.get(name, {})) for name in names}, known_hosts=str(self.folder / "known_hosts"), **top
        )

    def _target(self, name: str, keys: dict[str, Any]) -> dict[str, Any]:
        host = self.fleet.hosts[str(keys.get("on", name))]
        found = super(Stand, self)._target(name, keys)
        if self.proxies is not None and not host.behind_jump:
            found |= {"host": "127.0.0.1", "port": self.proxy(host.name).port}
        return found

    @property
    def _needs_jump(self) -> bool:
        return any(self.fleet.hosts[name].behind_jump for name in self.names)

    @property
    def hosts_used(self) -> list[Host]:
        return [self.fleet.hosts[name] for name in self.names]

    def proxy(self, name: str) -> Proxy:
        """The proxy on the way to a host: for one behind the jump host, the jump host's."""
        assert self.proxies is not None
        host = self.fleet.hosts[name]
        host = self.fleet.hosts[JUMP] if host.behind_jump else host
        return self.proxies.to(host.name, host.ip)

    def mend(self) -> None:
        """Let everybody through again."""
        assert self.proxies is not None
        self.proxies.mend()

    def scope(self, host: Host, **more: Any) -> Scope:
        return Scope(host, ROOT, TO, **more)

    def is_held(self, host: Host) -> bool:
        """Somebody has the host's lock."""
        names = os.listdir(lock) if (lock := self.scope(host).memory / "lock").is_dir() else []
        last = max((int(name) for name in names if name.isdigit()), default=0)
        return last > 0 and f"{last}.x" not in names

    def new_release(self, number: int, *, kilobytes: int = 300, steps: str = STEPS) -> None:
        """The next release of the plan: one big file that no predecessor had, and small ones that all have."""
        self.release, self.last = f"{number}.0", number
        self.before = {host.name: current(self.scope(host)) for host in self.hosts_used}
        chance = random.Random(number)
        self.write_release(
            {
                "www/healthz": f"ok {self.release}\n",
                "etc/app.conf": "target = ${{ target }}\nrelease = ${{ release }}\n",
                "var/uploads/README": "uploads live here\n",
                **{f"lib/part{n:02}.txt": f"part {n}\n" * (n + 1) for n in range(30)},
                "lib/big.txt": "".join(f"{chance.getrandbits(320):080x}\n" for _ in range(kilobytes * 1000 // 81)),
            }
        )
        self.write("release/bin/shop", "#!/bin/sh\necho shop\n", mode=0o755)
        self.write_plan(steps, release=self.release, project="faults", max_failures="100%")

    def first_release(self, *, steps: str = STEPS) -> Watched:
        """A release that nothing happens to, with all that holds then."""
        self.new_release(0, steps=steps)
        clean = self.watch(self.start_apply())
        assert clean.told.code == 0, in_short(clean.told)
        found = "\n".join(map(str, self.after(clean.told)))
        assert not found, found
        return clean

    def watch(self, process: Command, *acts: tuple[str, Callable[[], object]]) -> Watched:
        """Read a run to its end. Acts begin when an event that holds their text is told for the first time."""
        began, left, begun, lines = time.monotonic(), list(acts), [], []
        proxies = self.proxies.by_host if self.proxies is not None else {}
        with ThreadPoolExecutor(8) as pool:
            for text in process.stdout:
                passed = {name: dict(proxy.passed) for name, proxy in proxies.items()}
                lines.append(Line(time.monotonic(), text, passed))
                for act in [act for act in left if act[0] in text]:
                    left.remove(act)
                    begun.append(pool.submit(act[1]))
            for future in begun:
                future.result()
        told = self.finish(process)
        watched = Watched(Told(told.code, "".join(line.text for line in lines), told.stderr), began, lines)
        assert not left, f"never told: {[text for text, _ in left]}: {in_short(watched.told)}"
        for name, proxy in proxies.items():
            self.hits += [Hit(at, self._beyond(name)) for at in proxy.cut_at if at >= began]
        watched.place(self.hits)
        watched.resume(self.hits)
        return watched

    def during(self, *acts: tuple[str, Callable[[], object]]) -> Told:
        """An apply in which things happen."""
        return self.watch(self.start_apply(), *acts).told

    def struck(self, host: str) -> None:
        """Something is being done to this host of the run that is watched."""
        self.hits.append(Hit(time.monotonic(), self._beyond(host)))

    def strike_down(self, process: Command, told: list[str]) -> None:
        """kill -9 of a controller that had told this much."""
        at = time.monotonic()
        for hit in self.hits:
            hit.is_open = False
        self.hits.append(Hit(at, (), where([*told, *self.kill_now(process).splitlines()])))

    def take_hits(self) -> list[Hit]:
        """Those that have struck since it was asked last."""
        taken, self.hits = self.hits, []
        return taken

    def _beyond(self, host: str) -> tuple[str, ...]:
        """The targets that are reached at or through a host."""
        hidden = [name for name in self.names if host == JUMP and self.fleet.hosts[name].behind_jump]
        return self.guests or (tuple(hidden) if hidden else (host,))

    def second(self) -> Stand:
        """Another controller with the same files and records of its own."""
        home = self.folder / "controller-2"
        home.mkdir(exist_ok=True)
        return Stand(
            self.folder,
            {},
            {**self.env, "HOME": str(home)},
            fleet=self.fleet,
            names=self.names,
            proxies=self.proxies,
            release=self.release,
            timeout_s=self.timeout_s,
        )

    def after(self, told: Told | None, *, once: bool = True, may_be_torn: bool = False) -> list[Violation]:
        """All that must hold after a fault: what stands now, and that one more apply makes all of it well.

        ``told``: the run that the fault struck, where it lived to its end. ``once``: the script was not lost with its
        host, so that it ran once and nothing of its output is missing.
        """
        scopes = [self.scope(host, may_be_torn=may_be_torn) for host in self.hosts_used]
        found = [violation for scope in scopes for violation in (*standing(scope), *self._in_between(scope))]
        found += self._output(told, once) if told is not None else []
        left = self.converges(once=once)
        found += left
        found += [violation for scope in scopes for violation in at_rest(scope, patience_s=0.0 if left else PATIENCE_S)]
        found += [violation for scope in scopes for violation in self._served(scope)]
        found += [violation for scope in scopes for violation in self._ran(scope)] if once else []
        found += self._announced(scopes)
        return found

    def converges(self, *, once: bool = True) -> list[Violation]:
        """A second apply succeeds, after which there is nothing to do and no drift."""
        told = self.watch(self.start_apply()).told
        if told.code != 0:
            return [Violation("all", "converges", in_short(told))]
        found = self._output(told, once)
        plan = self.plan()
        if plan.code != 0 or set(plan.promised.values()) - {"unchanged"}:
            found.append(Violation("all", "converges", f"still to do: {plan.promised or plan.stderr}"))
        drift = self.octo("drift", "plan.yaml", "--json")
        if drift.code != 0:
            found.append(Violation("all", "drift", f"exit {drift.code}: {drift.stdout[-1500:]} {drift.stderr[-300:]}"))
        return found

    def _output(self, told: Told, once: bool) -> list[Violation]:
        """Whoever says that the script succeeded has all that it printed, or says how much is missing."""
        found = []
        for name, outcome in told.outcome("count").items():
            said, wanted = told.output("count", name), expected_output(self.release, name)
            is_told = any("dropped" in note or "lost" in note for note in told.notes("count", name))
            if (once or outcome == "changed") and not wanted.startswith(said):
                found.append(Violation(name, "output", "what was read is not how the output begins"))
            elif outcome == "changed" and said != wanted and not is_told:
                found.append(
                    Violation(name, "output", f"{len(said)} instead of {len(wanted)} characters, without a word")
                )
        return found

    def _in_between(self, scope: Scope) -> Iterator[Violation]:
        """A host is at the old release or at the new one, never anywhere else."""
        now, before = current(scope), self.before[scope.host.name]
        if now != before and (now or "").partition("_")[0] != self.release:
            yield scope.breach("current", f"is {now}, neither {before} nor {self.release}")

    def _ran(self, scope: Scope) -> Iterator[Violation]:
        """The script of this release ran once, from its beginning to its end."""
        ran = scope.host.view.joinpath("home/deploy/ran")
        lines = ran.read_text().splitlines() if ran.exists() else []
        for what in (f"begin {self.release}", f"end {self.release}"):
            if lines.count(what) != 1:
                yield scope.breach("once", f"{what!r} stands {lines.count(what)} times in ~/ran")

    def _served(self, scope: Scope) -> Iterator[Violation]:
        """The release that the plan wants is current and served."""
        if (now := current(scope)) is None or now.partition("_")[0] != self.release:
            yield scope.breach("served", f"current is {now}, wanted is {self.release}")
        said = scope.host.run(f"curl -fsS http://127.0.0.1:{PORT}/healthz", check=False).stdout.strip()
        if said != f"ok {self.release}":
            yield scope.breach("served", f"the service says {said!r}")

    def _announced(self, scopes: list[Scope]) -> Iterator[Violation]:
        """What a host's journal says of our runs stands in their records, and these can be read but for a last line."""
        began: dict[str, set[tuple[str, str]]] = {}
        for path in sorted(self.state.glob("runs/*/events.jsonl")):
            lines = path.read_bytes().split(b"\n")
            lines.pop()  # what a kill has cut short
            mine = began.setdefault(path.parent.name, set())
            for number, line in enumerate(lines, 1):
                try:
                    event = json.loads(line)
                except ValueError:
                    yield Violation("controller", "record", f"{path.parent.name}: line {number} cannot be read")
                    continue
                if event.get("event") == "step_began":
                    mine.add((event["step"], event["target"]))
        for scope in scopes:
            for row in journal(scope):
                run, step = str(row.get("run")), str(row.get("step") or "")
                if step and run in began and (step, scope.host.name) not in began[run]:
                    yield scope.breach("record", f"the journal knows {step} of {run}, the record does not")

    def kill_all(self) -> None:
        """kill -9 of every controller that still runs."""
        for process in list(self._running):
            self.kill_now(process)

    def kill_now(self, process: Command) -> str:
        """kill -9; what it had printed that nobody had read yet."""
        process.kill()
        stdout, _ = process.communicate(timeout=self.timeout_s)
        self.forget(process)
        return stdout


def clear(host: Host) -> None:
    """Nothing of ours on a host, as before the first test; it is reset where that cannot be done in order."""
    with contextlib.suppress(Exception):
        host.plug_in()
        done = host.run(
            "! systemctl --quiet is-active faults || systemctl stop faults;"
            f"umount {TO} {ROOT} 2>/dev/null; rm -rf {TO} {ROOT} ~deploy/ran ~deploy/reloads ~deploy/settings.conf"
            " /etc/systemd/system/faults.service; pgrep -u deploy -x 'sh|tail|dd|sleep'",
            check=False,
        )
        if not done.stdout and not (host.folder / TO.lstrip("/")).exists():
            return
    host.reset()


@contextlib.contextmanager
def stand(fleet: Fleet, folder: Path, *names: str, proxied: bool = True, timeout_s: float = 120.0) -> Iterator[Stand]:
    """A stand over these hosts, which are cleared before and after."""
    made = Stand.on(fleet, folder)
    made.names = names or made.names
    made.proxies = Proxies() if proxied else None
    made.timeout_s = timeout_s
    with contextlib.ExitStack() as stack:
        for host in made.hosts_used:
            stack.callback(clear, host)
        if made.proxies is not None:
            stack.callback(made.proxies.close)
        stack.callback(made.kill_all)
        made.set_up()
        yield made
