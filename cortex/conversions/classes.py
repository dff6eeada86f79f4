"""Classes of failure: what each word a platform's answer is filed under means for the row, the destination and the people."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

BACK_OFF = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 1440)
)  # reaches two days: Meta's window for repeats
MAX_ATTEMPTS = 10


class Handling(Struct, frozen=True, kw_only=True):
    """How a class is handled. Which receipt a class comes with (rejected, retry, unknown) its adapter decides."""

    about: str
    counts: bool = True
    """Whether ten attempts end the row: false for what somebody mends, or time."""
    stops: bool = False
    """Whether the destination is left alone for the rest of the run: the next batch would hear the same."""
    notice: str = ""
    """Code of the notice people get when it stops the destination."""


CLASSES = {
    "data": Handling(about="the event itself is wrong: refused for good, found among the others by halving"),
    "expired": Handling(about="too old by the platform's clock: refused for good"),
    "consent": Handling(about="the platform has no consent for the buyer: refused for good"),
    "config": Handling(
        about="the account, the pixel or the action is wrong: everything waits",
        counts=False,
        stops=True,
        notice="CTX-6104",
    ),
    "auth": Handling(about="the credential is refused: everything waits", counts=False, stops=True, notice="CTX-6103"),
    "throttle": Handling(about="too many calls: not before the time the platform names", counts=False, stops=True),
    "transient": Handling(about="out of order for a moment: tried again, ever later"),
    "ambiguous": Handling(about="it may have been taken: repeated only while the platform would notice"),
}
"""Every class, in the order docs/en/conversions.md lists them. The platforms' own codes are beside their adapters."""

ORDINARY = Handling(about="not named: as transient")


def handling(error_class: str) -> Handling:
    """Of a class no adapter should have invented: as transient, so that nothing is lost and nothing stops."""
    return CLASSES.get(error_class, ORDINARY)


def pause(attempts: int, retry_after: float) -> timedelta:
    """Before the next attempt, after so many: the back-off, or as long as the platform asks if that is longer."""
    return max(BACK_OFF[min(attempts, len(BACK_OFF)) - 1], timedelta(seconds=retry_after))
