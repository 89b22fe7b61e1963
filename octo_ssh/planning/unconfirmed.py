"""What is said of releases that waited for a confirmation and did not get it (SPEC section 8)."""

from __future__ import annotations

from octo_ssh.model.timers import TimerSeen


def unconfirmed(timer: TimerSeen) -> str:
    """What a release is, after its name: nobody confirmed it, and the target did not go back."""
    if timer.restarted:
        return "is unconfirmed since a power cut"
    if timer.verdict is None and timer.runs:
        return f"waits for run {timer.run} to confirm it"
    return "was never confirmed"


def went_back(timer: TimerSeen) -> str:
    """That the target went back by itself, and whether that took effect."""
    if timer.is_missed:
        return f"{timer.new} did not become current within {timer.within_s} s, and was called off by the target itself"
    where = f"back to {timer.old}" if timer.old else "back to nothing"
    return f"the target went {where} by itself: nobody confirmed {timer.new} in time{came_of(timer)}"


def came_of(timer: TimerSeen) -> str:
    """What to add where what the target ran then did not all go well."""
    bad = next((f", but its {what} failed with status {status}" for what, status in timer.came.items() if status), "")
    return bad or ("" if timer.is_done else ", and what came of that is not known")
