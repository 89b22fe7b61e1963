"""What people do to servers at night: some eighty of them, each with the finding that must come of it.

Those of one host are done together and found by one check. ``$R`` is the current release of ``shop``.
"""

from __future__ import annotations

from dataclasses import dataclass

R = "/srv/shop/releases/1.1"
ODD = ("new\nline", "qu\"o'te", "ünïcödé ☃", "-rf", " blank ", "back\\slash", "$(id)", "*", "tab\there")
# fmt: off
UNITS = (
    "stopped", "disabled", "masked", "dropin", "rundropin", "edited", "removed", "overridden", "killed", "started",
    "enabled", "old", "daemon",
)
"""Each a unit of its own, named as what is done to it."""
CONF = (
    "edited", "samesize", "truncated", "mode", "setuid", "owner", "group", "deleted", "tolink", "tofifo", "tofolder",
)
"""Each a file step of its own, for ``/etc/shop/<name>.conf``."""
# fmt: on
DAEMON = "daemon"
"""It runs as root: nobody else may see where."""
IDLE = ("started", "enabled")
"""Units that should neither run nor be enabled."""
UNIT = """\
[Unit]
StartLimitIntervalSec=0
[Service]
User=deploy-root
WorkingDirectory=/srv/shop/current
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Tampering:
    """A shell command as root in the release folder, and what must be found of it."""

    name: str
    command: str
    step: str
    kind: str
    subject: str
    host: str = "web-01"


def _in_package(name: str, command: str, kind: str, path: str = "") -> Tampering:
    """On a file of the package that is there for it alone."""
    subject = path or f"files/{name}"
    return Tampering(name, command.format(name), "deploy", kind, subject)


def _on_odd_name(name: str) -> Tampering:
    escaped = name.replace("'", "'\\''")
    return Tampering(f"edited {name!a}", f"echo x >>'odd/{escaped}'", "deploy", "content", f"odd/{name}")


def _new(name: str, command: str, path: str) -> Tampering:
    return Tampering(name, command, "deploy", "extra", path)


def _conf(name: str, command: str, kind: str) -> Tampering:
    path = f"/etc/shop/{name}.conf"
    return Tampering(f"file {name}", command.format(path), f"conf_{name}", kind, path)


def _unit(name: str, command: str, kind: str) -> Tampering:
    unit = f"u-{name}"
    return Tampering(f"unit {name}", command.format(unit), f"u_{name}", kind, unit, "web-02")


SAME_TIME = "cp -p {0} /tmp/was; {1}; touch -r /tmp/was {0}"
IN_PLACE = "dd if=/dev/zero of=files/{0} bs=1 count=3 conv=notrunc 2>/dev/null"
PACKAGE = (
    _in_package("appended", "echo more >>files/{0}", "content"),
    _in_package("samesize", SAME_TIME.format("files/samesize", IN_PLACE.format("samesize")), "content"),
    _in_package("truncated", ": >files/{0}", "content"),
    _in_package("emptied", SAME_TIME.format("files/emptied", ": >files/emptied"), "content"),
    _in_package("filled", "echo x >files/{0}", "content"),
    _in_package("edited-in-place", "sed -i s/a/b/ files/{0}", "content"),
    _in_package("hardlinked", "echo other >/srv/other; ln -f /srv/other files/{0}", "content"),
    _in_package("configured", "echo x >>files/{0}", "content"),
    _in_package("mode", "chmod 600 files/{0}", "mode"),
    _in_package("executable", "chmod +x files/{0}", "mode"),
    _in_package("setuid", "chmod u+s files/{0}", "mode"),
    _in_package("setgid", "chmod g+s files/{0}", "mode"),
    _in_package("owner", "chown nobody files/{0}", "owner"),
    _in_package("group", "chgrp nogroup files/{0}", "owner"),
    _in_package("deleted", "rm files/{0}", "missing"),
    _in_package("renamed", "mv files/{0} files/renamed-to", "missing"),
    _new("renamed to", ":", "files/renamed-to"),
    _in_package("tolink", "cp -p files/{0} /srv/copy; ln -sf /srv/copy files/{0}", "kind"),
    _in_package("tofifo", "rm files/{0}; mkfifo files/{0}", "kind"),
    _in_package("tofolder", "rm files/{0}; mkdir files/{0}", "kind"),
    _in_package("tosocket", "rm files/{0}; python3 -c \"import socket; socket.socket(1).bind('files/{0}')\"", "kind"),
    _in_package("todevice", "rm files/{0}; mknod files/{0} c 1 3 2>/dev/null || mkfifo files/{0}", "kind"),
    _in_package("folder-mode", "chmod 777 folders/{0}", "mode", "folders/folder-mode"),
    _in_package("folder-sticky", "chmod +t folders/{0}", "mode", "folders/folder-sticky"),
    _in_package("folder-owner", "chown nobody folders/{0}", "owner", "folders/folder-owner"),
    _in_package("folder-deleted", "rm -r folders/{0}", "missing", "folders/folder-deleted"),
    _in_package("folder-empty", "rmdir folders/{0}", "missing", "folders/folder-empty"),
    _in_package("folder-tofile", "rm -r folders/{0}; echo >folders/{0}", "kind", "folders/folder-tofile"),
    _in_package(
        "folder-tolink", "mv folders/{0} /srv/moved; ln -s /srv/moved folders/{0}", "kind", "folders/folder-tolink"
    ),
    _in_package(
        "folder-todevice",
        "rm -r folders/{0}; mknod folders/{0} c 1 3 || mkfifo folders/{0}",
        "kind",
        "folders/folder-todevice",
    ),
    _in_package("link-elsewhere", "ln -sfn /etc/passwd links/{0}", "link", "links/link-elsewhere"),
    _in_package("link-dangling", "ln -sfn nowhere links/{0}", "link", "links/link-dangling"),
    _in_package("link-tofile", "cp --remove-destination files/mode links/{0}", "kind", "links/link-tofile"),
    _in_package("link-gone", "rm links/{0}", "missing", "links/link-gone"),
    _new("added", "echo >files/added", "files/added"),
    _new("added empty", ": >files/empty-new", "files/empty-new"),
    _new("added hidden", "echo >.hidden", ".hidden"),
    _new("added folder", "mkdir -p extra/deep; echo >extra/deep/file", "extra"),
    _new("added hard link", "ln files/untouched files/second-name", "files/second-name"),
    _new("added set-uid shell", "cp /bin/sh files/rootshell; chmod 4755 files/rootshell", "files/rootshell"),
    _new("added fifo", "mkfifo files/fifo", "files/fifo"),
    _new("added link", "ln -s / files/all", "files/all"),
    _new("added newline", "echo >'odd/n\nl'", "odd/n\nl"),
    _new("added dash", "echo >'odd/--help'", "odd/--help"),
    _new("added quotes", 'echo >"odd/it\'s \\"x\\""', 'odd/it\'s "x"'),
    _new("added unicode", "echo >odd/漢字", "odd/漢字"),
    _new("added bytes", "touch \"$(printf 'odd/\\377')\"", r'"odd/\xff"'),
    _new("added escapes", "touch \"$(printf 'odd/\\033[2J')\"", r'"odd/\x1b[2J"'),
    *map(_on_odd_name, ODD),
    Tampering(
        "shared link replaced",
        "rm var/uploads; mkdir var/uploads; chown deploy-root: var/uploads",
        "deploy",
        "shared",
        "var/uploads",
    ),
    Tampering("shared link elsewhere", "ln -sfn /tmp var/spool", "deploy", "shared", "var/spool"),
    Tampering("shared folder gone", "rm -r /srv/shop/shared/var/keep", "deploy", "shared", "var/keep"),
)
FILES = (
    _conf("edited", "echo more >>{0}", "content"),
    _conf(
        "samesize",
        "cp -p {0} /tmp/was; dd if=/dev/zero of={0} bs=1 count=3 conv=notrunc 2>/dev/null; touch -r /tmp/was {0}",
        "content",
    ),
    _conf("truncated", ": >{0}", "content"),
    _conf("mode", "chmod 666 {0}", "mode"),
    _conf("setuid", "chmod u+s {0}", "mode"),
    _conf("owner", "chown nobody {0}", "owner"),
    _conf("group", "chgrp nogroup {0}", "owner"),
    _conf("deleted", "rm {0}", "missing"),
    _conf("tolink", "cp {0} /srv/conf; ln -sf /srv/conf {0}", "kind"),
    _conf("tofifo", "rm {0}; mkfifo {0}", "kind"),
    _conf("tofolder", "rm {0}; mkdir {0}", "kind"),
    Tampering("file back", "echo >/etc/shop/absent.conf", "conf_absent", "extra", "/etc/shop/absent.conf"),
    Tampering("not so any more", "rm /etc/shop/prepared", "prepare", "unless", "prepare"),
)
SERVICES = (
    _unit("stopped", "systemctl stop {0}", "state"),
    _unit("killed", "systemctl kill -s KILL {0}; sleep 0.2", "state"),
    _unit("started", "systemctl start {0}", "state"),
    _unit("disabled", "systemctl -q disable {0}", "enabled"),
    _unit("enabled", "systemctl -q enable {0}", "enabled"),
    _unit("masked", "rm /etc/systemd/system/{0}.service; systemctl -q mask {0}", "masked"),
    _unit(
        "dropin",
        "mkdir /etc/systemd/system/{0}.service.d; echo '[Service]' >/etc/systemd/system/{0}.service.d/x.conf;"
        "systemctl daemon-reload",
        "unit",
    ),
    _unit(
        "rundropin",
        "mkdir -p /run/systemd/system/{0}.service.d; printf '[Service]\\nNice=1\\n' "
        ">/run/systemd/system/{0}.service.d/x.conf",
        "unit",
    ),
    _unit("edited", "echo '# x' >>/etc/systemd/system/{0}.service", "unit"),
    _unit("overridden", "systemctl set-property --runtime {0} CPUWeight=50", "unit"),
    _unit("removed", "rm /etc/systemd/system/{0}.service; systemctl daemon-reload", "missing"),
    _unit(
        "old",
        "ln -sfn releases/1.0 /srv/shop/current; systemctl restart {0}; ln -sfn releases/1.1 /srv/shop/current",
        "old release",
    ),
    _unit(
        "daemon",
        "ln -sfn releases/1.0 /srv/shop/current; systemctl restart {0}; ln -sfn releases/1.1 /srv/shop/current",
        "old release",
    ),
)
PLACES = {
    "older": ("ln -sfn releases/1.0 current", "current", "current"),
    "dangling": ("ln -sfn releases/9.9 current", "current", "current"),
    "gone": ("rm current", "current", "current"),
    "copied": ("rm current; cp -a releases/1.1 current", "current", "current"),
    "elsewhere": ("cp -a releases/1.1 /srv/elsewhere; ln -sfn /srv/elsewhere current", "current", "current"),
    "record-edited": ("sed -i s/0644/0666/ releases/1.1.json", "manifest", "releases/1.1.json"),
    "record-gone": ("rm releases/1.1.json", "manifest", "releases/1.1.json"),
    "record-and-file": (
        "old=$(sha256sum <current/version); echo x >>current/version; new=$(sha256sum <current/version);"
        'sed -i "s/${old%% *}/${new%% *}/" releases/1.1.json',
        "manifest",
        "releases/1.1.json",
    ),
    "release-gone": ("rm -r releases/1.1", "missing", "releases/1.1"),
    "place-gone": ("mv /srv/place-gone /srv/was-here", "missing", "/srv/place-gone"),
}
"""A package of its own for each, at ``/srv/<name>``: command there, kind and subject."""
SWAPS = tuple(
    Tampering(f"place {name}", f"cd /srv/{name} && {command}", name.replace("-", "_"), kind, subject, "web-03")
    for name, (command, kind, subject) in PLACES.items()
)
ALL = (*PACKAGE, *FILES, *SERVICES, *SWAPS)
BESIDE = {("web-03", ("record_and_file", "content", "version"))}
"""What must be found besides: the controller knows what the file should hold, whatever the target's record says."""
