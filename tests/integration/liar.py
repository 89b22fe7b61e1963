"""A target that lies: what a real sshd runs in the place of ``sh -s`` (ForceCommand), in Python alone.

It reads the program that it is sent, as any gate could. Beside it lies ``lies.json``: for the sha256 of a program's
block, or ``*``, what it does. Everything it has no lie for it hands to a real ``sh -s``.

- ``{"say": TEXT, "then": WHAT}``: these bytes (latin-1), ``NONCE`` in them replaced, and then ``again`` (the whole once
  more, for ever), ``hush`` (nothing, for ever) or ``end``; ``to``: 2 for standard error; ``again``: what is repeated.
- ``{"change": {SECTION: TEXT}}``: the true reply, with other contents in these sections; ``add``: sections behind it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


def main() -> None:
    folder = Path(sys.argv[1])
    lies = json.loads((folder / "lies.json").read_text()) if (folder / "lies.json").exists() else {}
    head = read_line()
    found = re.fullmatch(rb"# octo-ssh (\d+) (\d+) ([0-9a-f]{64})\n", head)
    if found is None:
        pass_on(head)
        return
    params, block = read_exactly(int(found[1])), read_exactly(int(found[2]))
    nonce = shlex.split(params.decode("utf-8", "surrogateescape"))[2]
    lie = lies.get(found[3].decode(), lies.get("*"))
    if lie is None:
        pass_on(head + params + block)
    elif "say" in lie:
        say(lie, nonce.encode())
    else:
        change(lie, nonce.encode(), head + params + block)


def read_line() -> bytes:
    line = b""
    while (byte := os.read(0, 1)) and len(line) < 1000:
        line += byte
        if byte == b"\n":
            break
    return line


def read_exactly(size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.read(0, size - len(data))):
        data += piece
    return data


def pass_on(begun: bytes) -> None:
    """To a real shell, and what comes after it."""
    shell = subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE)
    threading.Thread(target=feed, args=(shell, begun), daemon=True).start()
    sys.exit(shell.wait())


def feed(shell: subprocess.Popen[bytes], begun: bytes) -> None:
    assert shell.stdin is not None
    try:
        data = begun
        while data:
            shell.stdin.write(data)
            shell.stdin.flush()
            data = os.read(0, 65536)
        shell.stdin.close()
    except OSError:
        pass


def say(lie: dict[str, Any], nonce: bytes) -> None:
    def told(text: str) -> bytes:
        return text.encode("latin-1").replace(b"NONCE", nonce)

    stream = lie.get("to", 1)
    write(1, told(lie.get("first", "")))
    write(stream, told(lie["say"]))
    if lie["then"] == "again":
        piece = told(lie.get("again", lie["say"]))
        piece *= max(1, 65536 // len(piece))
        while write(stream, piece):
            pass
    elif lie["then"] == "hush":
        time.sleep(600)


def change(lie: dict[str, Any], nonce: bytes, program: bytes) -> None:
    shell = subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    threading.Thread(target=feed, args=(shell, program), daemon=True).start()
    assert shell.stdout is not None
    true = shell.stdout.read()
    for name, text in lie.get("change", {}).items():
        marker = nonce + b" " + name.encode() + b"\n"
        before, found, rest = true.partition(marker)
        if found:
            true = before + marker + text.encode("latin-1") + rest[rest.find(nonce + b" ") :]
    at = true.rfind(nonce + b" end ")
    for name, text in lie.get("add", {}).items():
        true = true[:at] + nonce + b" " + name.encode() + b"\n" + text.encode("latin-1") + true[at:]
        at = true.rfind(nonce + b" end ")
    write(1, true)
    sys.exit(shell.wait())


def write(stream: int, data: bytes) -> bool:
    """Whether somebody still listens."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(stream, view) :]
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
