"""Google enhanced conversions: purchases to a conversion action, restated on refunds, through the Data Manager API.

Accounts that used them before June 2026 may go on with the upload services of the Google Ads API (`_ads_upload`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec
from pydantic import Field, field_validator, model_validator

from cortex import google
from cortex.destinations import (
    Destination,
    DestinationSection,
    _ads_upload,
    _google_diagnostics,
    _google_events,
    _google_reasons,
)
from cortex.destinations._ads_upload import AdsUpload
from cortex.destinations._answers import State, early, priced, told, undecided
from cortex.destinations._narrowing import Refusal, deliver
from cortex.destinations._ready import Encode, Ready, Readying
from cortex.errors import ConfigError, PlatformError, Transient
from cortex.google_ads import AdsService
from cortex.http import Client, Limits
from cortex.limits import UNSHARED, Limit
from cortex.records import Account, Conversion, Diagnosis, IdentifierField, IdentifierRules, Receipt, SendWindow
from cortex.secrets import REDACTOR
from cortex.settings import Access, PlatformSection, SecretName

PROJECT_AT_ONCE = 8
"""Runs at a time through one Cloud project: requests a minute are counted per project."""
ADS_PROJECT_AT_ONCE, ADS_CUSTOMER_AT_ONCE = 10, 2
"""The same for the Ads API, and on one of its accounts; the same numbers for whatever is done there."""
PROBE_EMAIL = "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
"""SHA-256 of test@example.com: whose conversion `check` has validated and not stored."""


class _Ingested(msgspec.Struct, frozen=True, rename="camel"):
    request_id: str = ""


_INGESTED = msgspec.json.Decoder(_Ingested)
_DIAGNOSIS = msgspec.json.Decoder(_google_reasons.Diagnosis, strict=False)


class GoogleEc(Destination):
    """offline_conversions.google_ec"""

    class Config(DestinationSection):
        """offline_conversions.google_ec"""

        inherits: ClassVar[Mapping[str, str]] = {
            "customer_id": "ads.google.customer_id",
            "login_customer_id": "ads.google.login_customer_id",
            "ads_api_url": "ads.google.api_url",
        }
        """Keys that, left out here, are taken from elsewhere in the client file."""

        conversion_action_id: Annotated[str, Field(pattern=r"^\d{3,20}$", description="Number in the action's URL")]
        upload: Annotated[
            Literal["data_manager", "google_ads"],
            Field(description="Way in: Data Manager, or the Ads API where the account used it before June 2026"),
        ] = "data_manager"
        customer_id: Annotated[
            str | None, Field(description="Google Ads account that owns the conversion action; default: ads.google's")
        ] = None
        login_customer_id: Annotated[
            str | None, Field(description="Manager account the credential belongs to; default: ads.google's")
        ] = None

        ads_api_url: Annotated[
            str | None, Field(description="Where diagnostics are read, as api_url; default: ads.google's")
        ] = None

        @field_validator("ads_api_url")
        @classmethod
        def _grpc_or_tls(cls, url: str | None) -> str | None:
            return cls._tls_beyond_loopback(url)

        @field_validator("customer_id", "login_customer_id")
        @classmethod
        def _ten_digits(cls, value: str | None) -> str | None:
            if value is None:
                return None
            digits = value.replace("-", "")
            if not re.fullmatch(r"\d{10}", digits):
                raise ValueError("must be ten digits, such as 123-456-7890")
            return digits

        @model_validator(mode="after")
        def _one_way_in(self) -> GoogleEc.Config:
            scheme = (self.api_url or "").partition(":")[0]
            if self.upload == "google_ads" and scheme == "http":
                raise ValueError("upload: google_ads speaks gRPC: api_url must be grpc:// on loopback or https://")
            if self.upload == "data_manager" and scheme == "grpc":
                raise ValueError("upload: data_manager speaks HTTP: api_url must be https:// (http:// on loopback)")
            return self

    secrets: ClassVar[tuple[SecretName, ...]] = (google.CREDENTIALS,)
    docs: ClassVar[str] = "platforms/google-data-manager.md"
    identifiers: ClassVar[IdentifierRules] = IdentifierRules(
        fields=(
            IdentifierField(key="email_address", fact="email", rule="email_google"),
            IdentifierField(key="phone_number", fact="phone", rule="phone_e164", variants=True),
            IdentifierField(key="given_name", fact="first_name", rule="name_plain"),
            IdentifierField(key="family_name", fact="last_name", rule="name_plain"),
            IdentifierField(key="region_code", fact="country", rule="region_code", hashed=False),
            IdentifierField(key="postal_code", fact="postal_code", rule="postcode_plain", hashed=False),
        )
    )
    window: ClassVar[SendWindow] = SendWindow(click=timedelta(days=90), identifiers=timedelta(days=63))
    batch: ClassVar[int] = 2000
    click_ids: ClassVar[tuple[str, ...]] = ("gclid", "gbraid", "wbraid")
    dedup: ClassVar[timedelta | None] = None
    restates: ClassVar[bool] = True
    diagnoses: ClassVar[bool] = True

    def __init__(self, config: PlatformSection, access: Access) -> None:
        super().__init__(config, access)
        self._credentials: Any = None
        """Made at the first call: they hold the token until it runs out."""

    @cached_property
    def _ads(self) -> AdsUpload | None:
        """The Ads API's own way in, where the client file chose it."""
        if self.settings.upload != "google_ads":
            return None
        return AdsUpload(lambda: self._service, self._operating_account(), self.settings.conversion_action_id)

    @cached_property
    def _service(self) -> AdsService:
        """Made once, for its channel; nobody else's."""
        return AdsService(
            self.access.secret(google.CREDENTIALS),
            self.access.vault.find("GOOGLE_DEVELOPER_TOKEN"),
            self.settings.login_customer_id,
            self.settings.api_url,
            self.access.sleep,
            self.pace,
        )

    @cached_property
    def _reader(self) -> AdsService:
        """For diagnostics where conversions go through the Data Manager."""
        project = google.project(self.access.vault.find(*google.CREDENTIALS.names))
        return AdsService(
            self.access.secret(google.CREDENTIALS),
            self.access.vault.find("GOOGLE_DEVELOPER_TOKEN"),
            self.settings.login_customer_id,
            self.settings.ads_api_url,
            self.access.sleep,
            UNSHARED if self.settings.ads_api_url else self.access.limits.pace(self._ads_limits(project)),
        )

    @property
    def settings(self) -> Config:
        return cast("GoogleEc.Config", self.config)

    def shared(self) -> tuple[Limit, ...]:
        project = google.project(self.access.vault.find(*google.CREDENTIALS.names))
        if self.settings.upload == "google_ads":
            return self._ads_limits(project)
        return (Limit(f"data_manager:project:{project}", "app", at_once=PROJECT_AT_ONCE),)

    def _ads_limits(self, project: str) -> tuple[Limit, ...]:
        """The budgets `ads.google` calls on too."""
        return (
            Limit(f"google_ads:customer:{self.settings.customer_id}", "account", at_once=ADS_CUSTOMER_AT_ONCE),
            Limit(f"google_ads:project:{project}", "app", at_once=ADS_PROJECT_AT_ONCE),
        )

    def check(self) -> Account:
        """Has one invented event validated (validateOnly): credential, account and action, and nothing is stored."""
        probe = Conversion(
            key="",
            event_id="cortex-check",
            order_id="cortex-check",
            occurred_at=self.access.clock() - timedelta(hours=1),
            value=Decimal(1),
            currency="BRL",
            identifiers={"email_address": [PROBE_EMAIL]},
        )
        if self._ads:
            return self._ads.check(probe)
        with self._client() as client:
            try:
                client.post("/v1/events:ingest", self._encode([probe], validate_only=True), decode=_INGESTED.decode)
            except _google_reasons.RequestRefused as refused:
                if refused.kind not in {"data", "expired"}:
                    raise
        return Account(
            id=self._operating_account(),
            name=f"conversion action {self.settings.conversion_action_id}",
            note="validated without storing anything",
        )

    def missing(self, conversion: Conversion) -> str:
        if self.settings.upload == "google_ads":
            return _ads_upload.missing(conversion)
        if _google_events.click_id(conversion.clicks) or _google_events.user_identifiers(conversion):
            return ""
        return "no click id, e-mail, phone or whole address"

    @cached_property
    def _batches(self) -> Readying:
        return Readying(self.unfit, self._encode)

    def body(self, batch: Sequence[Conversion]) -> bytes:
        now = self.access.clock()
        if self._ads:
            return self._ads.body([one for one in batch if self.unfit(one, now) is None], now)
        return self._batches.show(batch, now)

    def send(self, batch: Sequence[Conversion]) -> list[Receipt]:
        return self._send(batch, validate_only=False)

    def rehearse(self, batch: Sequence[Conversion]) -> list[Receipt]:
        """As `send`, but Google only validates: receipts say what would be refused, and nothing is stored."""
        return self._send(batch, validate_only=True)

    def settle(self, request_id: str) -> list[tuple[str, Receipt]]:
        """One receipt for the whole request, since Google counts by reason only. Status is kept about 50 days.

        Raises CredentialError, Throttled or Transient: ask again later.
        """
        if self._ads:  # answers at once; nothing of it is still being processed
            return []
        with self._client() as client:
            try:
                diagnosis = client.get(
                    "/v1/requestStatus:retrieve", {"requestId": request_id}, decode=_DIAGNOSIS.decode
                ).value
            except _google_reasons.RequestRefused as refused:
                return [("*", _refusal_of(refused, "unknown", "ambiguous", request_id))]
        return [("*", _google_reasons.verdict(diagnosis, request_id))]

    def diagnosis(self) -> list[Diagnosis]:
        """Read through the Ads API, whichever way conversions are sent. A stand-in of the Data Manager has no such API."""
        here = self.settings
        if here.upload == "data_manager" and here.api_url is not None and here.ads_api_url is None:
            return []
        service = self._service if self._ads else self._reader
        return _google_diagnostics.read(service, self._operating_account(), here.conversion_action_id)

    def _send(self, batch: Sequence[Conversion], *, validate_only: bool) -> list[Receipt]:
        if len(batch) > self.batch:
            raise ValueError(f"Google takes {self.batch} events in one request, not {len(batch)}")
        now = self.access.clock()
        if self._ads:
            unfit = [self.unfit(one, now) for one in batch]
            fit = [one for one, why in zip(batch, unfit, strict=True) if why is None]
            answers = iter(self._ads.send(fit, now, validate_only=validate_only) if fit else [])
            return [why or next(answers) for why in unfit]
        encode = partial(self._encode, validate_only=validate_only)
        ready = Readying(self.unfit, encode).take(batch, now) if validate_only else self._batches.take(batch, now)
        answers = iter(self._deliver(ready, encode, validate_only=validate_only))
        return [why or next(answers) for why in ready.unfit]

    def _deliver(self, ready: Ready, encode: Encode, *, validate_only: bool) -> list[Receipt]:
        if not ready.fit:
            return []
        try:
            client = self._client()
        except Transient as failure:  # Google's token server, before anything was said
            return [told("retry", "transient", failure.code, failure.message)] * len(ready.fit)
        with client:
            return deliver(
                ready.fit,
                lambda group: self._post(client, ready.body_of(group, encode), len(group), validate_only=validate_only),
            )

    def _encode(self, group: Iterable[Conversion], *, validate_only: bool = False) -> bytes:
        to = _google_events.target(
            self.settings.conversion_action_id, self._operating_account(), self.settings.login_customer_id
        )
        return _google_events.encode(map(_google_events.event, group), to, validate_only=validate_only)

    def _operating_account(self) -> str:
        if self.settings.customer_id is None:
            raise ConfigError(
                "CTX-4255",
                "offline_conversions.google_ec names no Google Ads account.",
                fix="Set offline_conversions.google_ec.customer_id, or ads.google.customer_id.",
            )
        return self.settings.customer_id

    def _client(self) -> Client:
        if self._credentials is None:
            self._credentials = google.credentials(self.access.secret(google.CREDENTIALS), [google.DATA_MANAGER])
        token = google.bearer(self._credentials)
        return Client(
            "Google",
            self.settings.api_url or "https://datamanager.googleapis.com",
            headers={"Authorization": f"Bearer {token}"},
            limits=Limits(read=30.0, total=90.0),
            error=_google_reasons.judge,
            pace=self.pace,
            sleep=self.access.sleep,
        )

    def unfit(self, one: Conversion, now: datetime) -> Receipt | None:
        """What Google is known to refuse, found here: one such event would cost the whole request."""
        if wait := early(one, now):
            return wait
        clicked = bool(_google_events.click_id(one.clicks))
        if one.action == "purchase" and not self.window.allows(one.occurred_at, now, has_click=clicked):
            days = (self.window.click if clicked else self.window.identifiers) // timedelta(days=1)
            return told("rejected", "expired", "too_old", f"Older than the {days} days Google takes.")
        if one.value < 0 or (one.action == "purchase" and one.value == 0):
            return told("rejected", "data", "no_value", "A purchase needs a value above zero.")
        if not priced(one):
            return told("rejected", "data", "no_currency", "A value needs an ISO 4217 currency.")
        if not one.order_id:
            return told("rejected", "data", "no_transaction_id", "Without an order id it could be counted twice.")
        if _google_events.clear_identity(one):
            return told("rejected", "data", "not_a_digest", "An identifier is not as Google wants it hashed.")
        if missing := self.missing(one):
            return told("rejected", "data", "thin_identity", f"Nothing to match the buyer by: {missing}.")
        return _ads_upload.unfit(one, now) if self.settings.upload == "google_ads" else None

    def _post(self, client: Client, body: bytes, size: int, *, validate_only: bool) -> Receipt | Refusal:
        """One request. Whatever leaves Google's decision open is unknown; the transaction id makes a repeat harmless."""
        try:
            ingested = client.post("/v1/events:ingest", body, decode=_INGESTED.decode).value
        except _google_reasons.RequestRefused as refused:
            return _refused(refused, size)
        except (PlatformError, Transient) as failure:
            return undecided(failure)
        if validate_only:
            return Receipt(state="accepted", message="Valid. Nothing was stored.")
        if not ingested.request_id:
            return told("unknown", "ambiguous", "no_request_id", "Google's answer names no request.")
        return Receipt(state="accepted", request_id=ingested.request_id, processing=True)


def _refused(refused: _google_reasons.RequestRefused, size: int) -> Receipt | Refusal:
    """Rows at fault where Google names them, the bare refusal where it does not, a retry where no row is at fault."""
    said = refused.said
    if refused.kind not in {"data", "expired"}:
        return _refusal_of(refused, "retry", refused.kind, said.request_id)
    rows: dict[int, Receipt] = {}
    for violation in said.violations:
        row = violation.row
        if row is not None and row < size and row not in rows:
            rows[row] = Receipt(
                state="rejected",
                request_id=said.request_id,
                error_class=_google_reasons.class_at_once(violation.reason, about_a_row=True),
                error_code=violation.reason or said.reason or said.status,
                message=REDACTOR.clean(f"{violation.field}: {violation.description}")[:255],
            )
    return Refusal(_refusal_of(refused, "rejected", refused.kind, said.request_id), rows)


def _refusal_of(refused: _google_reasons.RequestRefused, state: State, kind: str, request_id: str) -> Receipt:
    code = refused.said.reason or refused.said.status or refused.code
    return told(state, kind, code, refused.message, request_id)
