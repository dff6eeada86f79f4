"""Meta Conversions API: purchases as server events of a dataset (pixel), deduplicated with the browser's by event id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec
from pydantic import Field

from cortex.clock import local_day
from cortex.destinations import Destination, DestinationSection, _meta_errors, _meta_events, _meta_quality
from cortex.destinations._answers import early, priced, told, undecided
from cortex.destinations._narrowing import Refusal, deliver
from cortex.destinations._ready import Ready, Readying
from cortex.errors import PlatformError, Transient
from cortex.http import Client, Limits
from cortex.limits import Limit, app_of
from cortex.records import Account, Conversion, Diagnosis, IdentifierField, IdentifierRules, Receipt, SendWindow
from cortex.secrets import REDACTOR
from cortex.settings import Access, PlatformSection, SecretName

VERSION = "v26.0"
IN_STORES = SendWindow(click=timedelta(days=62), identifiers=timedelta(days=62))
APP_AT_ONCE = 8
"""Runs at a time through one app, the same number for whatever they do there."""


class _Taken(msgspec.Struct, frozen=True):
    events_received: int
    messages: list[Any] = []
    fbtrace_id: str = ""


class _Dataset(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


_TAKEN = msgspec.json.Decoder(_Taken, strict=False)
_DATASET = msgspec.json.Decoder(_Dataset)


class MetaCapi(Destination):
    """offline_conversions.meta_capi"""

    class Config(DestinationSection):
        """offline_conversions.meta_capi"""

        pixel_id: Annotated[str, Field(pattern=r"^\d{5,20}$", description="Dataset (pixel) id, digits")]
        test_event_code: Annotated[
            str | None, Field(pattern="^[A-Za-z0-9]{1,32}$", description="From Events Manager › Test events")
        ] = None
        """Shows events under Test events. They count like real ones: take it out before going live."""
        action_source: Annotated[
            Literal["website", "physical_store", "email", "phone_call", "chat", "system_generated", "other"],
            Field(description="Where the sale happened; website needs the buyer's page and user agent"),
        ] = "website"
        """Sales in a physical_store are taken up to 62 days after they happened, all others 7."""

    secrets: ClassVar[tuple[SecretName, ...]] = (
        SecretName("META_CAPI_TOKEN", "Conversions API token of the dataset (Events Manager)", fallback="META_TOKEN"),
    )
    docs: ClassVar[str] = "platforms/meta-capi.md"
    identifiers: ClassVar[IdentifierRules] = IdentifierRules(
        fields=tuple(
            IdentifierField(key=key, fact=fact, rule=rule, variants=True)
            for key, fact, rule in (
                ("em", "email", "email_plain"),
                ("ph", "phone", "phone_digits"),
                ("fn", "first_name", "name_given"),
                ("ln", "last_name", "name_family"),
                ("ct", "city", "city_plain"),
                ("st", "state", "state_code"),
                ("zp", "postal_code", "postcode_meta"),
                ("country", "country", "country_code"),
                ("external_id", "store_id", "id_plain"),
            )
        )
    )
    window: ClassVar[SendWindow] = SendWindow(click=timedelta(days=7), identifiers=timedelta(days=7))
    batch: ClassVar[int] = 1000
    click_ids: ClassVar[tuple[str, ...]] = ("fbc", "fbclid")
    browser: ClassVar[tuple[str, ...]] = ("fbp", "ip", "user_agent")
    dedup: ClassVar[timedelta | None] = timedelta(hours=48)
    predicts: ClassVar[bool] = True
    diagnoses: ClassVar[bool] = True

    def __init__(self, config: PlatformSection, access: Access) -> None:
        super().__init__(config, access)
        if self.settings.action_source == "physical_store":
            self.window = IN_STORES  # type: ignore[misc]  # the client file decides which of two rules is Meta's

    def shared(self) -> tuple[Limit, ...]:
        secret = self.access.vault.find("META_APP_SECRET")
        return (
            Limit(f"meta:dataset:{self.settings.pixel_id}", "account", at_once=1),
            # The budget `ads.meta` calls on too: a pause of the app is everybody's.
            Limit(f"meta:app:{app_of(secret.reveal() if secret else None)}", "app", at_once=APP_AT_ONCE),
        )

    @property
    def settings(self) -> Config:
        return cast("MetaCapi.Config", self.config)

    def check(self) -> Account:
        with self._client() as client:
            dataset = client.get(
                f"/{VERSION}/{self.settings.pixel_id}", {"fields": "name"}, decode=_DATASET.decode
            ).value
        note = "test_event_code is set: test events count like real ones" if self.settings.test_event_code else ""
        return Account(id=dataset.id, name=dataset.name, note=note)

    def missing(self, conversion: Conversion) -> str:
        return _meta_events.thin(conversion)

    @cached_property
    def _batches(self) -> Readying:
        return Readying(self.unfit, self._encode)

    def body(self, batch: Sequence[Conversion]) -> bytes:
        return self._batches.show(batch, self.access.clock())

    def send(self, batch: Sequence[Conversion]) -> list[Receipt]:
        if len(batch) > self.batch:
            raise ValueError(f"Meta takes {self.batch} events in one request, not {len(batch)}")
        ready = self._batches.take(batch, self.access.clock())
        with self._client() as client:
            answers = iter(deliver(ready.fit, partial(self._post, client, ready)) if ready.fit else [])
        return [why or next(answers) for why in ready.unfit]

    def diagnosis(self) -> list[Diagnosis]:
        """Match quality of the dataset's web events of the last 48 hours (Meta: Dataset Quality API)."""
        with self._client() as client:
            told = client.get(
                f"/{VERSION}/dataset_quality",
                {"dataset_id": self.settings.pixel_id, "fields": _meta_quality.FIELDS},
                decode=_meta_quality.decode,
            ).value
        return _meta_quality.diagnoses(told, local_day(self.access.clock(), self.access.timezone))

    def _encode(self, group: Iterable[Conversion]) -> bytes:
        source = self.settings.action_source
        events = (_meta_events.event(one, source) for one in group)
        return _meta_events.encode(events, self.settings.test_event_code)

    def _client(self) -> Client:
        return Client(
            "Meta",
            self.settings.api_url or "https://graph.facebook.com",
            headers={"Authorization": f"Bearer {self.access.secret(self.secrets[0]).reveal()}"},
            limits=Limits(read=20.0, total=60.0),
            error=_meta_errors.judge,
            pace=self.pace,
            sleep=self.access.sleep,
        )

    def unfit(self, one: Conversion, now: datetime) -> Receipt | None:
        """What Meta is known to refuse, found here: one such event would cost the whole batch."""
        if one.action in {"restate", "retract"}:
            return told(
                "rejected", "data", "no_adjustments", "Meta takes no refunds: it keeps the value it was first told."
            )
        if wait := early(one, now):
            return wait
        if now - one.occurred_at > self.window.click:
            days = self.window.click // timedelta(days=1)
            return told("rejected", "expired", "too_old", f"Older than the {days} days Meta takes.")
        if one.value <= 0 or not priced(one):
            return told("rejected", "data", "no_value", "A purchase needs a value above zero and an ISO 4217 currency.")
        if not one.event_id or not one.order_id:
            return told(
                "rejected", "data", "no_event_id", "Without an event id the browser's event would be counted again."
            )
        if _meta_events.clear_identity(one):
            return told("rejected", "data", "not_a_digest", "An identifier is not a SHA-256 in lower-case hex.")
        if thin := self.missing(one):
            return told("rejected", "data", "thin_identity", f"Too little to match the buyer by: {thin}.")
        return None

    def _post(self, client: Client, ready: Ready, group: Sequence[Conversion]) -> Receipt | Refusal:
        """One request. Whatever leaves Meta's decision open is unknown: it is never resent blindly."""
        path = f"/{VERSION}/{self.settings.pixel_id}/events"
        try:
            taken = client.post(path, ready.body_of(group, self._encode), decode=_TAKEN.decode).value
        except _meta_errors.RowsRefused as refused:
            return Refusal(
                Receipt(
                    state="rejected",
                    request_id=refused.trace,
                    error_class=refused.error_class,
                    error_code=refused.platform_code,
                    message=refused.message,
                )
            )
        except _meta_errors.SetupRefused as refused:
            return told("retry", "config", refused.platform_code, refused.message)
        except (PlatformError, Transient) as failure:
            return undecided(failure)
        if taken.events_received != len(group):
            return told(
                "unknown",
                "ambiguous",
                "events_received",
                f"Meta counted {taken.events_received} events of {len(group)}.",
                request_id=taken.fbtrace_id,
            )
        said = REDACTOR.clean(" ".join(map(str, taken.messages)))[:200]
        return Receipt(state="accepted", request_id=taken.fbtrace_id, message=said)
