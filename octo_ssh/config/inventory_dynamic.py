"""Dynamic inventories: a program prints targets, as data (SPEC section 3)."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence

from octo_ssh.config.document import MAX_BYTES, Mapping, parse_document
from octo_ssh.config.inventory_shapes import DynamicOutputShape, TargetShape
from octo_ssh.config.problems import Problems
from octo_ssh.config.schema import validate
from octo_ssh.errors import Position
from octo_ssh.model.values import Template

_ERROR_BYTES = 64 * 1024


class ProgramFailed(Exception):
    """A dynamic program gave no output that could be used; the message says why."""


def read_dynamic(
    argv: Sequence[str], folder: str, timeout_s: float, at: Position, problems: Problems
) -> DynamicOutputShape | None:
    """What a program prints, validated; None after adding what is wrong. ``at`` is where its command stands.

    Mistakes in its output are reported as ``output of PROGRAM:line:column``.
    """
    try:
        output = run_program(argv, folder or ".", timeout_s)
    except ProgramFailed as failed:
        problems.add(at, f"the dynamic program {argv[0]} {failed}")
        return None
    document = parse_document(_without_surrogates(output), f"output of {argv[0]}", problems)
    if document is None:
        return None
    shape = validate(document, DynamicOutputShape, problems)
    if shape is None:
        return None
    if not shape.targets:
        problems.add(at, f"the dynamic program {argv[0]} names no target: an empty fleet is refused")
        return None
    before = len(problems)
    for target in shape.targets.values():
        _refuse_more_than_data(target, problems)
    return None if len(problems) > before else shape


def run_program(argv: Sequence[str], folder: str, timeout_s: float) -> bytes:
    """Standard output of a program that ended with 0 in time. It and what it started are killed otherwise."""
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ProgramFailed(f"cannot be started: {reason}") from None
    with process:
        try:
            output, errors = _collect(process, timeout_s)
        except BaseException:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        lines = errors.decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed no error")
        shown = "".join(char if char.isprintable() else "?" for char in last[:200])
        raise ProgramFailed(f"failed with exit status {process.returncode}: {shown}")
    return output


def _collect(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[bytes, bytes]:
    """Standard output, and the end of standard error, once the program has ended; ProgramFailed past a limit."""
    deadline = time.monotonic() + timeout_s
    output, errors = bytearray(), bytearray()
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output)
        selector.register(process.stderr, selectors.EVENT_READ, errors)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise _too_slow(timeout_s)
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            del errors[:-_ERROR_BYTES]
            if len(output) > MAX_BYTES:
                raise ProgramFailed(f"printed more than {MAX_BYTES // 1024 // 1024} MiB: print less")
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _too_slow(timeout_s) from None
    return bytes(output), bytes(errors)


def _too_slow(timeout_s: float) -> ProgramFailed:
    return ProgramFailed(f"took longer than {timeout_s:g}s: raise its 'timeout', or make it faster")


_SURROGATES = re.compile(rb"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def _without_surrogates(output: bytes) -> bytes:
    """JSON's ``\\ud83d\\ude00``, which is not in YAML, as the one escape it stands for."""
    if not output.lstrip().startswith(b"{"):
        return output

    def joined(found: re.Match[bytes]) -> bytes:
        code = 0x10000 + ((int(found[2], 16) - 0xD800) << 10) + (int(found[3], 16) - 0xDC00)
        return found[1] + b"\\U%08x" % code

    return _SURROGATES.sub(joined, output)


_NOT_DATA = ("identity_passphrase", "ssh_config")


def _refuse_more_than_data(target: TargetShape, problems: Problems) -> None:
    for key in _NOT_DATA:
        if target.has(key):
            problems.add(target.key_at(key), f"'{key}' cannot come from a dynamic inventory: set it in 'defaults'")
    if target.become and target.become.has("password"):
        problems.add(
            target.become.key_at("password"),
            "a dynamic inventory holds no secrets: set the password in 'defaults'",
        )
    for value in (target.host, target.user, target.root, *target.identity, *(target.jump or ())):
        if isinstance(value, Template):
            problems.add(value.position, "a dynamic inventory is data: print the value in place of the template")
    if isinstance(target.variables, Mapping):
        for entry in target.variables.items.values():
            source = next(iter(entry.value.items), "") if isinstance(entry.value, Mapping) else ""
            if source in ("secret", "prompt", "scoped"):
                problems.add(entry.value.position, f"a dynamic inventory is data: '{source}' is not read in it")
