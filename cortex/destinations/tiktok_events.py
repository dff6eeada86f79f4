"""TikTok Events API: purchases as web events of a pixel, deduplicated with the browser's by name and event id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, cast

import msgspec
from pydantic import Field

from cortex.destinations import Destination, DestinationSection, _tiktok_events
from cortex.destinations._answers import early, priced, told, undecided
from cortex.destinations._narrowing import Refusal, deliver_parts
from cortex.errors import CortexError, PlatformError, Throttled, Transient
from cortex.http import Client, Limits, default_error, retry_after
from cortex.limits import AGENCY, Limit
from cortex.records import Account, Conversion, IdentifierField, IdentifierRules, Receipt, SendWindow
from cortex.settings import SecretName

PATH = "/open_api/v1.3/event/track/"
"""The slash at the end matters: without it TikTok redirects."""
LARGEST = 1_000_000
"""Bytes of one request."""
AROUND = 500
"""Bytes around the events of a request, and some to spare."""
APP_AT_ONCE = 5
"""Runs at a time through one app, the same number for whatever they do there."""


class TikTokEvents(Destination):
    """offline_conversions.tiktok_events"""

    class Config(DestinationSection):
        """offline_conversions.tiktok_events"""

        pixel_id: Annotated[
            str, Field(pattern=r"^[A-Z0-9]{8,32}$", description="Pixel code, as Events Manager shows it")
        ]
        test_event_code: Annotated[
            str | None, Field(pattern="^[A-Za-z0-9]{1,32}$", description="From Events Manager › Test events")
        ] = None
        """Shows events under Test events. Take it out before going live."""

    secrets: ClassVar[tuple[SecretName, ...]] = (
        SecretName("TIKTOK_EVENTS_TOKEN", "Events API token of the pixel (Events Manager)", fallback="TIKTOK_TOKEN"),
    )
    docs: ClassVar[str] = "platforms/tiktok-events.md"
    identifiers: ClassVar[IdentifierRules] = IdentifierRules(
        fields=(
            IdentifierField(key="email", fact="email", rule="email_plain"),
            IdentifierField(key="phone", fact="phone", rule="phone_e164"),
            IdentifierField(key="external_id", fact="store_id", rule="id_plain"),
        )
    )
    window: ClassVar[SendWindow] = SendWindow(click=timedelta(days=28), identifiers=timedelta(days=28))
    batch: ClassVar[int] = 50
    click_ids: ClassVar[tuple[str, ...]] = ("ttclid",)
    browser: ClassVar[tuple[str, ...]] = ("ttp", "ip", "user_agent")
    dedup: ClassVar[timedelta | None] = timedelta(hours=48)

    def shared(self) -> tuple[Limit, ...]:
        return (
            Limit(f"tiktok:pixel:{self.settings.pixel_id}", "account", at_once=1),
            # The budget `ads.tiktok` calls on too, of which events spend no reports: a pause of the app is everybody's.
            Limit(f"tiktok:app:{AGENCY}", "app", at_once=APP_AT_ONCE),
        )

    @property
    def settings(self) -> Config:
        return cast("TikTokEvents.Config", self.config)

    def check(self) -> Account:
        """Has a request without events refused for being empty: that far only a live token of this pixel comes."""
        try:
            with self._client() as client:
                client.post(PATH, self._encode([]), decode=_tiktok_events.decode)
        except _tiktok_events.RowsRefused:
            pass
        return Account(id=self.settings.pixel_id, name="TikTok pixel", note=self._note())

    def _note(self) -> str:
        if self.settings.test_event_code:
            return "test_event_code is set: take it out before going live"
        return "the token was taken; no event was sent"

    def missing(self, conversion: Conversion) -> str:
        if _tiktok_events.matchable(conversion):
            return ""
        return "no click id, e-mail, phone, id, or IP with user agent"

    def body(self, batch: Sequence[Conversion]) -> bytes:
        """What `send` would post; where 1 MB needs several requests, one on each line."""
        now = self.access.clock()
        fit = [one for one in batch if self.unfit(one, now) is None]
        return b"\n".join(self._encode(group) for group in self._groups(fit)) if fit else self._encode([])

    def send(self, batch: Sequence[Conversion]) -> list[Receipt]:
        if len(batch) > self.batch:
            raise ValueError(f"TikTok takes {self.batch} events in one request, not {len(batch)}")
        now = self.access.clock()
        unfit = [self.unfit(one, now) for one in batch]
        fit = [one for one, why in zip(batch, unfit, strict=True) if why is None]
        answers = iter(self._deliver(fit))
        return [why or next(answers) for why in unfit]

    def _deliver(self, fit: Sequence[Conversion]) -> list[Receipt]:
        if not fit:
            return []
        with self._client() as client:
            return deliver_parts(self._groups(fit), lambda part: self._post(client, part))

    def _groups(self, fit: Sequence[Conversion]) -> Iterator[Sequence[Conversion]]:
        """The conversions of each request: nearly always all of them."""
        if len(self._encode(fit)) <= LARGEST:
            yield fit
            return
        start = 0
        for size in _tiktok_events.split([_tiktok_events.event(one) for one in fit], LARGEST - AROUND):
            yield fit[start : start + size]
            start += size

    def _encode(self, group: Sequence[Conversion]) -> bytes:
        events = [_tiktok_events.event(one) for one in group]
        return _tiktok_events.encode(events, self.settings.pixel_id, self.settings.test_event_code)

    def _client(self) -> Client:
        return Client(
            "TikTok",
            self.settings.api_url or "https://business-api.tiktok.com",
            headers={"Access-Token": self.access.secret(self.secrets[0]).reveal()},
            limits=Limits(read=20.0, total=60.0),
            error=_judge,
            pace=self.pace,
            sleep=self.access.sleep,
        )

    def unfit(self, one: Conversion, now: datetime) -> Receipt | None:
        """What TikTok is known to refuse or to drop, found here."""
        if one.action != "purchase":
            return told(
                "rejected", "data", "no_adjustments", "TikTok takes no refunds: it keeps what it was first told."
            )
        if wait := early(one, now):
            return wait
        if now - one.occurred_at > self.window.click:
            return told("rejected", "expired", "too_old", "Older than the 28 days TikTok looks back.")
        if one.value <= 0 or not priced(one):
            return told("rejected", "data", "no_value", "A purchase needs a value above zero and an ISO 4217 currency.")
        if not one.event_id or not one.order_id:
            return told(
                "rejected", "data", "no_event_id", "Without an event id it would be counted beside the browser's."
            )
        if _tiktok_events.clear_identity(one):
            return told("rejected", "data", "not_a_digest", "An identifier is not a SHA-256 in lower-case hex.")
        if missing := self.missing(one):
            return told("rejected", "data", "thin_identity", f"Nothing to match the buyer by: {missing}.")
        if _too_large(one):
            return told("rejected", "data", "too_large", "One event is larger than the 1 MB TikTok takes.")
        return None

    def _post(self, client: Client, group: Sequence[Conversion]) -> Receipt | Refusal:
        """One request. A repeat within 48 hours is harmless: TikTok keeps the first of the same name and id."""
        try:
            said = client.post(PATH, self._encode(group), decode=_tiktok_events.decode).value
        except (_tiktok_events.RowsRefused, _tiktok_events.SetupRefused) as refused:
            said, kind = refused.said, "data" if isinstance(refused, _tiktok_events.RowsRefused) else "config"
            if said.code in _tiktok_events.CODES["data"]:
                return Refusal(told("rejected", kind, str(said.code), refused.message, said.request_id), doubtful=True)
            return told("retry", "config", str(said.code), refused.message, said.request_id)
        except (PlatformError, Transient) as failure:
            return undecided(failure)
        return Receipt(state="accepted", request_id=said.request_id)


def _too_large(one: Conversion) -> bool:
    """Whether one event alone is more than a request holds. Measured only where it may be: encoding takes its time."""
    if len(one.items) <= 500 and len(one.user_agent) <= 10_000:
        return False
    return _tiktok_events.length(_tiktok_events.event(one)) > LARGEST - AROUND


def _judge(status: int, headers: Mapping[str, str], body: bytes) -> CortexError:
    """A status other than 200 comes from a gateway, unless TikTok's own words are in it."""
    if status < 500:
        try:
            said = msgspec.json.decode(body, type=_tiktok_events.Envelope)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        else:
            failure = _tiktok_events.judge(said)
            if isinstance(failure, Throttled):
                failure.retry_after = retry_after(headers)
            return failure
    return default_error("TikTok")(status, headers, body)
