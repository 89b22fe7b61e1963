"""Bad packages for the whole command line: sources, archives, and what a plan says of what is in them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

from tests.integration.bad_inputs import PLAN, SECRET, Bad, plan

ARCHIVED = PLAN.replace("dir: release", "file: shop.tar.gz")


def deploy(title: str, *says: str, keys: str, **files: bytes | str | None) -> Bad:
    """The package step has more keys."""
    return plan(title, *says, text=PLAN.replace("package: shop}", f"package: shop, {keys}}}"), **files)


def archive(title: str, *says: str, content: bytes) -> Bad:
    return Bad(title, says, files={"plan.yaml": ARCHIVED, "shop.tar.gz": content})


def tar(*members: tuple[str, bytes, str], data: bytes = b"x") -> bytes:
    """A tar.gz of (name, kind, where a link leads)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for name, kind, where in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, where
            info.size = len(data) if kind == FILE else 0
            file.addfile(info, io.BytesIO(data) if kind == FILE else None)
    return out.getvalue()


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return out.getvalue()


FILE, LINK, HARD, CHAR, FIFO = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE
PACKAGES = [
    plan(
        "a package that was not built",
        "plan.yaml:5:3: package shop: build is not there",
        "has it been built?",
        text=PLAN.replace("dir: release", "dir: build"),
    ),
    plan("a file for a folder", "release/a is not a folder", text=PLAN.replace("dir: release", "dir: release/a")),
    plan("no archive", "shop.tar.gz cannot be read", text=ARCHIVED),
    plan(
        "a url without https",
        "'url' must start with https://",
        text=PLAN.replace("dir: release", f"url: 'http://x.invalid/a.tar', sha256: {'0' * 64}"),
    ),
    plan(
        "a url without sha256", "needs its sha256", text=PLAN.replace("dir: release", "url: 'https://x.invalid/a.tar'")
    ),
    plan(
        "a url that nobody serves",
        "https://127.0.0.1:1/a.tar cannot be fetched",
        text=PLAN.replace("dir: release", f"url: 'https://127.0.0.1:1/a.tar', sha256: {'0' * 64}"),
    ),
    archive("a text", "is no archive that octo-ssh reads", "tar.gz, tar.zst, tar.xz, tar or zip", content=b"hello"),
    archive("an empty file", "shop.tar.gz is empty", content=b""),
    archive(
        "a cut archive",
        "its compressed data ends too early",
        content=tar(("a", FILE, ""), data=bytes(range(256)) * 50)[:120],
    ),
    archive("an archive of nothing", "shop.tar.gz holds nothing", content=tar()),
    archive("zeros", "shop.tar.gz holds nothing", content=gzip.compress(bytes(1 << 20))),
    archive("an absolute path", "holds the absolute path /etc/passwd", content=tar(("/etc/passwd", FILE, ""))),
    archive("a path that climbs", "holds a path with '..': a/../../x", content=tar(("a/../../x", FILE, ""))),
    archive(
        "a link that leads out",
        "holds a link that leads out of it: l -> ../../etc",
        content=tar(("l", LINK, "../../etc")),
    ),
    archive("an absolute link", "l -> /etc/passwd", content=tar(("l", LINK, "/etc/passwd"))),
    archive(
        "a file behind a link",
        "holds something below l, which is a link",
        content=tar(("l", LINK, "sub"), ("l/x", FILE, "")),
    ),
    archive(
        "a hard link that leads out", "holds the absolute path /etc/passwd", content=tar(("h", HARD, "/etc/passwd"))
    ),
    archive("a device", "holds the device d", content=tar(("d", CHAR, ""))),
    archive("a fifo", "holds the fifo f", content=tar(("f", FIFO, ""))),
    archive("a zip that climbs", "holds a path with '..': ../x", content=zipped("../x")),
    Bad(
        "another archive than the plan's",
        ("has the sha256", "the plan says 00000000", "change 'sha256' in the plan"),
        files={
            "plan.yaml": ARCHIVED.replace("shop.tar.gz}", f"shop.tar.gz, sha256: {'0' * 64}}}"),
            "shop.tar.gz": tar(("a", FILE, "")),
        },
    ),
    deploy(
        "no file to configure",
        "plan.yaml:7:3: configure: no file of the package matches '*.nope'",
        keys="configure: ['*.nope']",
    ),
    deploy(
        "an undefined name in a configured file",
        "shop:c:2:3: undefined name 'nope'",
        keys="configure: [c]",
        **{"release/c": "a\nb ${{ nope }}\n"},
    ),
    deploy(
        "an unfinished template in a configured file",
        "shop:c:2:3: '${{' is never closed",
        keys="configure: [c]",
        **{"release/c": "a\nb ${{ nope\n"},
    ),
    deploy("a shared file that is configured", "'a' is shared by all releases", keys="configure: [a], shared: [a]"),
    deploy("a shared path below a file", "lies below 'a', which is no folder", keys="shared: [a/b]"),
    deploy("the root folder", "'to' must be a folder of its own", keys="to: /"),
    plan(
        "one place for two steps",
        "plan.yaml:8:3: 'Again' and step 'deploy' both go to",
        text=PLAN + "- {name: Again, package: shop}\n",
    ),
    plan(
        "a script that the package has not",
        "the package 'shop' holds no 'bin/x'",
        text=PLAN + "- {name: X, script: 'shop:bin/x'}\n",
    ),
    plan(
        "a script that nobody may run",
        "'a' in the package 'shop' is not executable",
        text=PLAN + "- {name: X, script: 'shop:a'}\n",
    ),
    deploy(
        "a secret too short to mask",
        "is shorter than 4 characters",
        keys="configure: [c]",
        **{
            "release/c": "${{ token }}",
            "plan.yaml": PLAN.replace("shop}\n", "shop, configure: [c]}\n", 2).replace(
                "{dir: release, configure: [c]}", "{dir: release}"
            )
            + SECRET % "{file: short}",
            "short": "abc",
        },
    ),
]
