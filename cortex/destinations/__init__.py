"""Where conversions are sent: one file per platform, rules declared, receipts returned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cortex.records import Account, Conversion, Diagnosis, IdentifierRules, Receipt, SendWindow
from cortex.settings import Adapter, PlatformSection


class DestinationSection(PlatformSection):
    """What the block of every destination may say."""

    value: Literal["revenue", "margin", "predicted_ltv"] = "revenue"
    """What a sale is said to be worth: revenue (paid less refunded), margin (that less freight, tax and cost), or
    revenue with the value predicted for the buyer beside it (Meta alone)."""
    hold_days: Annotated[int, Field(ge=0, le=60)] = 0
    """Days a sale is held back before it is told, so that early refunds are never told at all."""


class Destination(Adapter, ABC):
    config: DestinationSection
    identifiers: ClassVar[IdentifierRules]
    window: ClassVar[SendWindow]
    batch: ClassVar[int]
    """Most conversions the platform takes in one request."""
    click_ids: ClassVar[tuple[str, ...]] = ()
    """Fields of `Clicks` this platform matches on: one of them gives a conversion the window of clicks."""
    browser: ClassVar[tuple[str, ...]] = ()
    """What else of the buyer's browser this platform matches on: `ip`, `user_agent`, ids out of cookies."""
    dedup: ClassVar[timedelta | None]
    """How long the platform keeps one of two events with the same id; None: for good. Inside it, and only there, a
    delivery whose fate is unknown may be repeated."""
    restates: ClassVar[bool] = False
    """Whether a refund can be told: the platform replaces the value of a conversion it has."""
    refunds_only: ClassVar[bool] = False
    """Whether the platform hears of purchases from the shop's own tags: `send` answers them `duplicate` and calls nobody."""
    predicts: ClassVar[bool] = False
    """Whether the platform takes the value predicted for a buyer."""
    diagnoses: ClassVar[bool] = False
    """Whether the platform tells what became of what it was sent (`diagnosis`)."""

    @abstractmethod
    def check(self) -> Account:
        """Prove the credential without sending an event."""

    @abstractmethod
    def body(self, batch: Sequence[Conversion]) -> bytes:
        """The exact bytes `send` would post: deterministic, so that a dry run can be compared."""

    @abstractmethod
    def send(self, batch: Sequence[Conversion]) -> list[Receipt]:
        """Send up to `batch` conversions; one receipt each, in the same order. Never raises for a row.

        A platform that refuses a whole batch for one bad row is asked again in halves until the row is found.
        Raises CredentialError when nothing of the batch was tried because the credential is dead.
        """

    def settle(self, request_id: str) -> list[tuple[str, Receipt]]:  # noqa: ARG002
        """Ask what became of an accepted asynchronous request: (event id or "*", receipt). Synchronous platforms: nothing."""
        return []

    def diagnosis(self) -> list[Diagnosis]:
        """What the platform says of the conversions it was sent lately. Nothing where it cannot be asked here.

        Raises CredentialError or PlatformError when this credential may not ask, Throttled or Transient: another night.
        """
        return []

    def unfit(self, one: Conversion, now: datetime) -> Receipt | None:  # noqa: ARG002
        """What the platform is known to refuse, found here: the receipt of a row `send` and `body` leave out, or None."""
        return None

    def missing(self, conversion: Conversion) -> str:  # noqa: ARG002
        """Why this platform could not match the conversion (too thin an identity), or an empty string."""
        return ""
