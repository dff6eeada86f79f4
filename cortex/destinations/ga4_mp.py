"""GA4 Measurement Protocol: refunds of purchases the shop's own tags told, so that revenue in GA4 is what was kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Annotated, Any, ClassVar, cast

import msgspec
from pydantic import Field

from cortex.destinations import Destination, DestinationSection, _ga4_refunds
from cortex.destinations._answers import AHEAD, early, priced, told, undecided
from cortex.destinations._narrowing import Refusal, deliver_parts
from cortex.errors import PlatformError, Transient
from cortex.http import Client, Limits
from cortex.limits import Limit
from cortex.records import Account, Conversion, IdentifierRules, Receipt, SendWindow
from cortex.secrets import REDACTOR
from cortex.settings import SecretName

COLLECT = "/mp/collect"
VALIDATE = "/debug/mp/collect"
BACKDATED = timedelta(hours=72)
"""How long ago an event may have happened; GA4 drops an older one without a word."""
UNPROVEN = "Accepted, unproven: GA4 answers 204 to anything. Whether it counts the refund, its own report says."


class _Finding(msgspec.Struct, frozen=True, rename="camel"):
    field_path: str = ""
    description: str = ""
    validation_code: str = ""


class _Findings(msgspec.Struct, frozen=True, rename="camel"):
    validation_messages: list[_Finding] = []


_FINDINGS = msgspec.json.Decoder(_Findings)


class Malformed(PlatformError):
    """The validator finds fault with a request."""

    def __init__(self, found: list[_Finding]) -> None:
        said = "; ".join(f"{one.field_path}: {one.description}" for one in found)
        super().__init__("CTX-4371", f"GA4's validator finds fault: {REDACTOR.clean(said)[:160]}")
        self.finding = (found[0].validation_code or "INVALID")[:64]


class Ga4Mp(Destination):
    """offline_conversions.ga4_mp"""

    class Config(DestinationSection):
        """offline_conversions.ga4_mp"""

        measurement_id: Annotated[
            str, Field(pattern=r"^G-[A-Z0-9]{4,16}$", description="G-… of the web stream, not the property's number")
        ]

    secrets: ClassVar[tuple[SecretName, ...]] = (
        SecretName("GA4_API_SECRET", "Measurement Protocol API secret of the web stream"),
    )
    docs: ClassVar[str] = "platforms/ga4-measurement-protocol.md"
    identifiers: ClassVar[IdentifierRules] = IdentifierRules(fields=())
    """None: GA4 forbids anything that names a person, hashed too. It knows the browser."""
    window: ClassVar[SendWindow] = SendWindow(click=timedelta(days=90), identifiers=timedelta(days=90))
    """How old a purchase may be whose refund is told. The refund itself has 72 hours."""
    batch: ClassVar[int] = 25
    dedup: ClassVar[timedelta | None] = timedelta(0)
    """GA4 keeps every refund it gets: one whose fate is unknown is held for a person."""
    restates: ClassVar[bool] = True
    refunds_only: ClassVar[bool] = True

    def shared(self) -> tuple[Limit, ...]:
        return (Limit(f"ga4:stream:{self.settings.measurement_id}", "account", at_once=1),)

    @property
    def settings(self) -> Config:
        return cast("Ga4Mp.Config", self.config)

    def check(self) -> Account:
        """Has an invented refund validated. That proves the form and the way there; GA4 tells nobody about secrets."""
        with self._client() as client:
            self._validate(client, _ga4_refunds.probe())
        return Account(
            id=self.settings.measurement_id,
            name="GA4 web stream",
            note="unproven: GA4 never says whether measurement_id and secret are right",
        )

    def missing(self, conversion: Conversion) -> str:
        return "" if _ga4_refunds.known_browser(conversion) else "no GA4 client id"

    def body(self, batch: Sequence[Conversion]) -> bytes:
        """What `send` would post, one request on each line: refunds share one only with their browser and moment."""
        now = self.access.clock()
        fit = [one for one in batch if self.unfit(one, now) is None]
        return b"\n".join(_ga4_refunds.encode([fit[at] for at in group]) for group in _ga4_refunds.groups(fit))

    def send(self, batch: Sequence[Conversion]) -> list[Receipt]:
        if len(batch) > self.batch:
            raise ValueError(f"GA4 takes {self.batch} events in one request, not {len(batch)}")
        now = self.access.clock()
        unfit = [self.unfit(one, now) for one in batch]
        fit = [one for one, why in zip(batch, unfit, strict=True) if why is None]
        answers = iter(self._deliver(fit))
        return [why or next(answers) for why in unfit]

    def unfit(self, one: Conversion, now: datetime) -> Receipt | None:
        """What GA4 would drop without a word, found here."""
        if one.action == "purchase":
            return _heard(one, self.missing(one), now)
        if wait := early(one, now):
            return wait
        if one.adjusted_at and one.adjusted_at > now + AHEAD:
            return told("retry", "transient", "in_the_future", "The refund's time has not come yet.")
        if one.adjusted_at and now - one.adjusted_at > BACKDATED:
            return told("rejected", "expired", "too_old", "The refund is older than the 72 hours GA4 takes.")
        if now - one.occurred_at > self.window.click:
            return told("rejected", "expired", "too_old", "The purchase is older than 90 days.")
        if not priced(one) or not one.order_id:
            return told(
                "rejected", "data", "no_transaction_id", "A refund needs its order id and an ISO 4217 currency."
            )
        if missing := self.missing(one):
            return told("rejected", "data", "thin_identity", f"GA4 knows buyers by their browser: {missing}.")
        back = _ga4_refunds.given_back(one)
        if back is None and one.action == "restate":
            return told(
                "rejected", "data", "no_difference", "What GA4 was last told is not known: it takes differences."
            )
        if back is not None and back <= 0:
            return told("rejected", "data", "no_refund", "GA4 takes refunds; the order is worth no less than before.")
        return None

    def _deliver(self, fit: Sequence[Conversion]) -> list[Receipt]:
        if not fit:
            return []
        groups = list(_ga4_refunds.groups(fit))
        parts = [[fit[at] for at in group] for group in groups]
        with self._client() as client:
            answers = deliver_parts(parts, lambda part: self._post(client, part))
        receipts = dict(zip(chain.from_iterable(groups), answers, strict=True))
        return [receipts[at] for at in range(len(fit))]

    def _post(self, client: Client, group: Sequence[Conversion]) -> Receipt | Refusal:
        """Validate, then send once: the answer to the second call says nothing, so the first is the only judge."""
        said = _ga4_refunds.encode(group)
        try:
            self._validate(client, said)
        except Malformed as found:
            return Refusal(told("rejected", "data", found.finding, found.message))
        except (PlatformError, Transient) as failure:
            return told("retry", "transient", failure.code, failure.message)
        try:
            client.post(COLLECT, said, params=self._who(), accept=(200, 204), decode=len)
        except (PlatformError, Transient) as failure:
            return undecided(failure)
        return told("accepted", "", "unproven", UNPROVEN)

    def _validate(self, client: Client, said: bytes) -> None:
        found = client.post(VALIDATE, said, params=self._who(), decode=_FINDINGS.decode).value.validation_messages
        if found:
            raise Malformed(found)

    def _who(self) -> dict[str, Any]:
        """The one place GA4 takes its secret from is the address; logs and errors of this house never quote one."""
        return {
            "api_secret": self.access.secret(self.secrets[0]).reveal(),
            "measurement_id": self.settings.measurement_id,
        }

    def _client(self) -> Client:
        return Client(
            "GA4",
            self.settings.api_url or "https://www.google-analytics.com",
            limits=Limits(read=20.0, total=60.0),
            pace=self.pace,
            sleep=self.access.sleep,
        )


def _heard(one: Conversion, missing: str, now: datetime) -> Receipt:
    """A purchase: the shop's own tags told GA4 of it, under the same transaction id."""
    if wait := early(one, now):
        return wait
    if missing:
        return told("rejected", "data", "thin_identity", f"GA4 knows buyers by their browser: {missing}.")
    return told("duplicate", "", "told_by_the_tags", "GA4 hears of purchases from the shop's own tags: none is sent.")
