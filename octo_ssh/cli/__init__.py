"""The command line: words become a request, an operation does the work, its end becomes an exit code.

Nothing heavy is imported before a command needs it: ``octo-ssh --help`` must answer at once.
"""

from __future__ import annotations


def main() -> None:
    """The ``octo-ssh`` program. Ends the process with the exit codes of SPEC section 5."""
    from octo_ssh.cli.program import run

    raise SystemExit(run())
