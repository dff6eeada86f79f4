"""Google enhanced conversions through the Data Manager API: purchases to a conversion action, restated on refunds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, cast

import msgspec
from pydantic import Field, field_validator

from cortex import google
from cortex.destinations import Destination, DestinationSection, _google_events, _google_reasons
from cortex.destinations._narrowing import Refusal, deliver
from cortex.errors import ConfigError, PlatformError, Throttled, Transient
from cortex.http import Client, Limits
from cortex.records import Account, Conversion, IdentifierField, IdentifierRules, Receipt, SendWindow
from cortex.secrets import REDACTOR
from cortex.settings import Access, PlatformSection, SecretName

AHEAD = timedelta(minutes=1)
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
        }
        """Keys that, left out here, are taken from elsewhere in the client file."""

        conversion_action_id: Annotated[str, Field(pattern=r"^\d{3,20}$", description="Number in the action's URL")]
        customer_id: Annotated[
            str | None, Field(description="Google Ads account that owns the conversion action; default: ads.google's")
        ] = None
        login_customer_id: Annotated[
            str | None, Field(description="Manager account the credential belongs to; default: ads.google's")
        ] = None

        @field_validator("customer_id", "login_customer_id")
        @classmethod
        def _ten_digits(cls, value: str | None) -> str | None:
            if value is None:
                return None
            digits = value.replace("-", "")
            if not re.fullmatch(r"\d{10}", digits):
                raise ValueError("must be ten digits, such as 123-456-7890")
            return digits

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

    def __init__(self, config: PlatformSection, access: Access) -> None:
        super().__init__(config, access)
        self._credentials: Any = None
        """Made at the first call: they hold the token until it runs out."""

    @property
    def settings(self) -> Config:
        return cast("GoogleEc.Config", self.config)

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
        if _google_events.click_id(conversion.clicks) or _google_events.user_identifiers(conversion):
            return ""
        return "no click id, e-mail, phone or whole address"

    def body(self, batch: Sequence[Conversion]) -> bytes:
        now = self.access.clock()
        return self._encode([one for one in batch if self._unfit(one, now) is None])

    def send(self, batch: Sequence[Conversion]) -> list[Receipt]:
        return self._send(batch, validate_only=False)

    def rehearse(self, batch: Sequence[Conversion]) -> list[Receipt]:
        """As `send`, but Google only validates: receipts say what would be refused, and nothing is stored."""
        return self._send(batch, validate_only=True)

    def settle(self, request_id: str) -> list[tuple[str, Receipt]]:
        """One receipt for the whole request, since Google counts by reason only. Status is kept about 50 days.

        Raises CredentialError, Throttled or Transient: ask again later.
        """
        with self._client() as client:
            try:
                diagnosis = client.get(
                    "/v1/requestStatus:retrieve", {"requestId": request_id}, decode=_DIAGNOSIS.decode
                ).value
            except _google_reasons.RequestRefused as refused:
                return [("*", _refusal_of(refused, "unknown", "ambiguous", request_id))]
        return [("*", _google_reasons.verdict(diagnosis, request_id))]

    def _send(self, batch: Sequence[Conversion], *, validate_only: bool) -> list[Receipt]:
        if len(batch) > self.batch:
            raise ValueError(f"Google takes {self.batch} events in one request, not {len(batch)}")
        now = self.access.clock()
        unfit = [self._unfit(one, now) for one in batch]
        fit = [one for one, why in zip(batch, unfit, strict=True) if why is None]
        answers = iter(self._deliver(fit, validate_only=validate_only))
        return [why or next(answers) for why in unfit]

    def _deliver(self, fit: Sequence[Conversion], *, validate_only: bool) -> list[Receipt]:
        if not fit:
            return []
        try:
            client = self._client()
        except Transient as failure:  # Google's token server, before anything was said
            return [_plain("retry", "transient", failure.code, failure.message)] * len(fit)
        with client:
            return deliver(fit, lambda group: self._post(client, group, validate_only=validate_only))

    def _encode(self, group: Sequence[Conversion], *, validate_only: bool = False) -> bytes:
        to = _google_events.target(
            self.settings.conversion_action_id, self._operating_account(), self.settings.login_customer_id
        )
        return _google_events.encode([_google_events.event(one) for one in group], to, validate_only=validate_only)

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
            sleep=self.access.sleep,
        )

    def _unfit(self, one: Conversion, now: datetime) -> Receipt | None:
        """What Google is known to refuse, found here: one such event would cost the whole request."""
        if one.occurred_at > now + AHEAD:
            return _plain("retry", "transient", "in_the_future", "The event's time has not come yet.")
        clicked = bool(_google_events.click_id(one.clicks))
        if one.action == "purchase" and not self.window.allows(one.occurred_at, now, has_click=clicked):
            days = (self.window.click if clicked else self.window.identifiers) // timedelta(days=1)
            return _plain("rejected", "expired", "too_old", f"Older than the {days} days Google takes.")
        if one.value < 0 or (one.action == "purchase" and one.value == 0):
            return _plain("rejected", "data", "no_value", "A purchase needs a value above zero.")
        if len(one.currency) != 3 or not one.currency.isalpha():
            return _plain("rejected", "data", "no_currency", "A value needs an ISO 4217 currency.")
        if not one.order_id:
            return _plain("rejected", "data", "no_transaction_id", "Without an order id it could be counted twice.")
        if _google_events.clear_identity(one):
            return _plain("rejected", "data", "not_a_digest", "An identifier is not as Google wants it hashed.")
        if missing := self.missing(one):
            return _plain("rejected", "data", "thin_identity", f"Nothing to match the buyer by: {missing}.")
        return None

    def _post(self, client: Client, group: Sequence[Conversion], *, validate_only: bool) -> Receipt | Refusal:
        """One request. Whatever leaves Google's decision open is unknown; the transaction id makes a repeat harmless."""
        try:
            ingested = client.post(
                "/v1/events:ingest", self._encode(group, validate_only=validate_only), decode=_INGESTED.decode
            ).value
        except _google_reasons.RequestRefused as refused:
            return _refused(refused, len(group))
        except Throttled as throttled:
            return Receipt(
                state="retry",
                error_class="throttle",
                error_code=throttled.code,
                message=throttled.message,
                retry_after=throttled.retry_after,
            )
        except Transient as failure:
            if failure.sent:
                return _plain("unknown", "ambiguous", failure.code, failure.message)
            return _plain("retry", "transient", failure.code, failure.message)
        except PlatformError as odd:
            if odd.code == "CTX-4014":  # the certificate was refused: nothing was said yet
                return _plain("retry", "config", odd.code, odd.message)
            return _plain("unknown", "ambiguous", odd.code, odd.message)
        if validate_only:
            return Receipt(state="accepted", message="Valid. Nothing was stored.")
        if not ingested.request_id:
            return _plain("unknown", "ambiguous", "no_request_id", "Google's answer names no request.")
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


def _refusal_of(
    refused: _google_reasons.RequestRefused, state: _google_reasons.ReceiptState, kind: str, request_id: str
) -> Receipt:
    code = refused.said.reason or refused.said.status or refused.code
    return _plain(state, kind, code, refused.message, request_id)


def _plain(
    state: _google_reasons.ReceiptState, error_class: str, error_code: str, message: str, request_id: str = ""
) -> Receipt:
    return Receipt(
        state=state, request_id=request_id, error_class=error_class, error_code=error_code, message=message[:255]
    )
