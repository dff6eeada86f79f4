"""Google Ads' own upload services, for accounts that may still use them: rows judged one by one, adjustments by order id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cortex.destinations import _ads_reasons, _ads_rows
from cortex.destinations._answers import told, undecided
from cortex.destinations._google_events import click_id
from cortex.destinations._narrowing import Refusal, deliver
from cortex.errors import CredentialError, PlatformError, Transient
from cortex.google_ads import VERSION, CallRefused, Fault, partial_faults
from cortex.records import Account, Conversion, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from cortex.google_ads import AdsService as Service

TIMEOUT = 90.0
"""Seconds for one upload of up to 2000 rows."""
ADJUSTABLE = timedelta(days=54)
"""Google takes adjustments up to 54-55 days after the conversion; the shorter reading is used."""
NOT_ALLOWLISTED = "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"
USE_DATA_MANAGER = "Set offline_conversions.google_ec.upload: data_manager in the client file: Google has taken no new \
users of uploads through the Ads API since 2026-06-15."

SETTING = "customer.conversion_tracking_setting"
LEADS = {23: "enhanced_conversions_for_leads_enabled", 24: "enhanced_conversions_for_leads_enabled",
         25: "enhanced_conversions_for_leads_enabled", 26: "effective_enablement_setting"}  # fmt: skip
"""Whether enhanced conversions for leads are on: a field that v26 replaced by another."""
ON = 3
"""EnhancedConversionsConfig.ON."""


def preflight_query(version: str) -> str:
    """The account's conversion settings in the words of one API version. Raises KeyError for one nobody looked at."""
    leads = LEADS[int(version.removeprefix("v"))]
    return (
        f"SELECT customer.id, customer.descriptive_name, {SETTING}.accepted_customer_data_terms,"  # noqa: S608
        f" {SETTING}.google_ads_conversion_customer, {SETTING}.{leads} FROM customer LIMIT 1"
    )


@dataclass(frozen=True)
class AdsUpload:
    """Uploads to one conversion action of one account, through one tenant's own client, made when first needed."""

    connect: Callable[[], Service]
    customer: str
    action: str

    def check(self, probe: Conversion) -> Account:
        """Settings that would cost every row, then one invented conversion validated: only that tells of the allowlist.

        Raises PlatformError CTX-4360 to CTX-4363, or what the service raises.
        """
        rows = self.connect().rows(self.customer, preflight_query(VERSION))
        if len(rows) != 1:
            raise PlatformError("CTX-4361", "Google Ads did not describe the account.")
        note = self._settings(rows[0].customer)
        try:
            answer = self._call(
                "purchase", _ads_rows.purchases([probe], self.customer, self.action, validate_only=True)
            )
            faults = partial_faults(answer)
        except CallRefused as refused:
            faults = refused.faults or [Fault("request_error", refused.code, refused.message)]
        for fault in faults:
            if _ads_reasons.classify(fault) == "config":
                raise setup_refused(fault)
        return Account(id=self.customer, name=f"conversion action {self.action}", note=note)

    def _settings(self, customer: Any) -> str:
        setting = customer.conversion_tracking_setting
        owner = setting.google_ads_conversion_customer.rpartition("/")[2]
        if owner and owner != self.customer:
            raise PlatformError(
                "CTX-4362",
                f"Conversions of account {self.customer} belong to account {owner}.",
                fix=f"Set offline_conversions.google_ec.customer_id: {owner}, and the manager into login_customer_id.",
            )
        if not setting.accepted_customer_data_terms:
            raise PlatformError(
                "CTX-4363",
                "The customer data terms are not accepted in Google Ads.",
                fix="Google Ads › Goals › Settings › Customer data terms: accept them.",
            )
        leads = getattr(setting, LEADS[int(VERSION.removeprefix("v"))])
        off = "" if leads in {True, ON} else "; enhanced conversions for leads are off: only clicks match"
        return f"uploads through the Ads API, validated without storing anything{off}"

    def body(self, fit: Sequence[Conversion], now: datetime) -> bytes:
        """What `send` would say, a request on each line: protobuf's JSON of the messages that travel packed."""
        single, _ = _each_order_once(fit)
        parts = [[fit[at] for at in part] for part in _by_service(fit, single)]
        return b"\n".join(self._encode(part, now) for part in parts if part)

    def send(self, fit: Sequence[Conversion], now: datetime, *, validate_only: bool = False) -> list[Receipt]:
        """One receipt each, same order. Raises CredentialError when nothing of the batch was tried."""
        single, doubled = _each_order_once(fit)
        receipts = dict.fromkeys(
            doubled, told("retry", "transient", "doubled", "The order is in this request once already.")
        )
        tried = False
        for part in _by_service(fit, single):
            try:
                answers = self._part([fit[at] for at in part], now, validate_only=validate_only)
            except CredentialError as refused:
                if not tried:
                    raise
                answers = [told("retry", "auth", refused.code, refused.message)] * len(part)
            tried = tried or bool(part)
            receipts.update(zip(part, answers, strict=True))
        return [receipts[at] for at in range(len(fit))]

    def _part(self, rows: Sequence[Conversion], now: datetime, *, validate_only: bool) -> list[Receipt]:
        """Purchases, or adjustments: a request refused whole is asked again in halves, rows judged singly are not."""
        own: dict[str, Receipt] = {}

        def post(group: Sequence[Conversion]) -> Receipt | Refusal:
            return self._post(group, now, own, validate_only=validate_only)

        answers = deliver(rows, post)
        return [own.get(row.order_id, answer) for row, answer in zip(rows, answers, strict=True)]

    def _post(
        self, group: Sequence[Conversion], now: datetime, own: dict[str, Receipt], *, validate_only: bool
    ) -> Receipt | Refusal:
        """One request. What Google says of single rows goes into `own`, by order id; the receipt is the others'."""
        try:
            answer = self._call(group[0].action, self._encode(group, now, validate_only=validate_only))
        except CallRefused as refused:
            return _refused_whole(refused, group, now)
        except (PlatformError, Transient) as failure:
            return undecided(failure)
        faults = partial_faults(answer)
        general = [fault for fault in faults if fault.row is None]
        if general:
            decides = _ads_reasons.worst(general)
            return told("retry", _ads_reasons.classify(decides), decides.name, f"{decides.name}: {decides.words}")
        rows = by_row(faults, group, now)
        if not validate_only:
            rows = dict.fromkeys(_without_result(answer, len(group)), NO_RESULT) | rows
        own.update({group[row].order_id: receipt for row, receipt in rows.items()})
        return Receipt(state="accepted", message="Valid. Nothing was stored." if validate_only else "")

    def _encode(self, group: Sequence[Conversion], now: datetime, *, validate_only: bool = False) -> bytes:
        if group[0].action == "purchase":
            return _ads_rows.purchases(group, self.customer, self.action, validate_only=validate_only)
        return _ads_rows.adjustments(group, self.customer, self.action, now, validate_only=validate_only)

    def _call(self, action: str, said: bytes) -> Any:
        """One upload and its answer. The message is made of the very bytes `body` shows."""
        from google.protobuf import json_format

        service, method, message = CALLS[action == "purchase"]
        request = message()
        json_format.Parse(said, request)
        return self.connect().call(service, method, request, TIMEOUT)


def _each_order_once(fit: Sequence[Conversion]) -> tuple[list[int], list[int]]:
    """Positions of the first row of every order, and of the further ones: Google refuses both (DUPLICATE_ORDER_ID)."""
    first: dict[str, int] = {}
    for at, one in enumerate(fit):
        first.setdefault(one.order_id, at)
    single = set(first.values())
    return sorted(single), [at for at in range(len(fit)) if at not in single]


def _by_service(fit: Sequence[Conversion], single: Sequence[int]) -> tuple[list[int], list[int]]:
    """Positions of purchases, which one service takes, and of adjustments, which another does."""
    bought = [at for at in single if fit[at].action == "purchase"]
    return bought, [at for at in single if fit[at].action != "purchase"]


def _without_result(answer: Any, size: int) -> list[int]:
    """Rows Google gave no result for. Each must be named by an error; where it is not, nobody knows."""
    return [row for row in range(size) if row >= len(answer.results) or not answer.results[row].ListFields()]


NO_RESULT = told("unknown", "ambiguous", "no_result", "Google gave neither a result nor an error for the row.")


def _click_conversions() -> Any:
    from google.ads.googleads.v26.services.types.conversion_upload_service import UploadClickConversionsRequest

    return UploadClickConversionsRequest.pb(UploadClickConversionsRequest())


def _adjustments() -> Any:
    from google.ads.googleads.v26.services.types.conversion_adjustment_upload_service import (
        UploadConversionAdjustmentsRequest,
    )

    return UploadConversionAdjustmentsRequest.pb(UploadConversionAdjustmentsRequest())


CALLS: Mapping[bool, tuple[str, str, Callable[[], Any]]] = {
    True: ("ConversionUploadService", "upload_click_conversions", _click_conversions),
    False: ("ConversionAdjustmentUploadService", "upload_conversion_adjustments", _adjustments),
}
"""Service, method and an empty request, for purchases and for adjustments. The vendor's modules load when called."""


def by_row(faults: Sequence[Fault], group: Sequence[Conversion], now: datetime) -> dict[int, Receipt]:
    """Receipts of the rows Google names, each by its worst error; results of the others stand."""
    rows: dict[int, list[Fault]] = {}
    for fault in faults:
        if fault.row is not None and fault.row < len(group):
            rows.setdefault(fault.row, []).append(fault)
    return {
        row: _ads_reasons.receipt(
            _ads_reasons.worst(found), waited=now - (group[row].adjusted_at or group[row].occurred_at)
        )
        for row, found in rows.items()
    }


def _refused_whole(refused: CallRefused, group: Sequence[Conversion], now: datetime) -> Receipt | Refusal:
    """Nothing of the request was taken: the rows Google names are at fault, or nobody is."""
    if not refused.faults:
        return told("retry", "config", refused.code, refused.message)
    decides = _ads_reasons.worst(refused.faults)
    kind = _ads_reasons.classify(decides)
    if kind in {"config", "throttle", "transient"}:
        said = setup_refused(decides) if kind == "config" else refused
        return told("retry", kind, decides.name, said.message)
    named = {row: receipt for row, receipt in by_row(refused.faults, group, now).items() if receipt.state != "retry"}
    return Refusal(told("rejected", "data", decides.name, f"{decides.name}: {decides.words}"), named)


def setup_refused(fault: Fault) -> PlatformError:
    """What must be mended before any row goes through."""
    if fault.name == NOT_ALLOWLISTED:
        return PlatformError(
            "CTX-4360", "This account may not upload conversions through the Google Ads API.", fix=USE_DATA_MANAGER
        )
    return PlatformError(
        "CTX-4361",
        f"Google Ads refuses uploads to this conversion action: {fault.name}: {fault.words}"[:240],
        fix="Check conversion_action_id (type: upload from clicks) and customer_id, then run `cortex doctor`.",
    )


def missing(one: Conversion) -> str:
    """Why Google could not match the conversion. An adjustment goes by its order id."""
    if one.action != "purchase" or click_id(one.clicks) or _ads_rows.user_identifiers(one):
        return ""
    return "no click id, e-mail or phone"


def unfit(one: Conversion, now: datetime) -> Receipt | None:
    """What only the Ads API refuses; the rest is `google_ec`'s."""
    if _ads_rows.names_somebody(one.order_id):
        return told("rejected", "data", "order_id_names_somebody", "The order id holds an e-mail, a phone or a CPF.")
    if one.action != "purchase" and now - one.occurred_at > ADJUSTABLE:
        return told("rejected", "expired", "too_old", "Google adjusts conversions of the last 54 days.")
    if one.action != "purchase" and "wbraid" in click_id(one.clicks):
        return told("rejected", "data", "braid_not_adjustable", "Google adjusts no conversion that came by a wbraid.")
    if one.action == "restate" and one.value == 0:
        return told("rejected", "data", "zero_restatement", "Nothing is left of the order: that is a retraction.")
    return None
