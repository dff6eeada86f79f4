"""A conversion as Google Ads' upload services take it: a click conversion, or an adjustment of one it has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cortex.destinations._google_events import click_id
from cortex.money import amount
from cortex.records import Conversion

MOST_IDENTIFIERS = 5
"""Of one conversion."""
CUSTOMER_TYPES = {"new": "NEW", "returning": "RETURNING"}
_PERSONAL = re.compile(r"@|\d{3}\.\d{3}\.\d{3}-\d{2}|\+\d{10}")
"""An e-mail, a CPF or a phone in an order id: Google refuses the row (ORDER_ID_CONTAINS_PII), and would be right."""


class Click(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """ClickConversion. One click id at most; each identifier is an object of its own, for it is a oneof."""

    consent: dict[str, str]
    conversion_action: str
    conversion_date_time: str
    conversion_value: Decimal
    currency_code: str
    customer_type: str | UnsetType = UNSET
    gbraid: str | UnsetType = UNSET
    gclid: str | UnsetType = UNSET
    order_id: str
    user_identifiers: list[dict[str, str]] | UnsetType = UNSET
    wbraid: str | UnsetType = UNSET


class Restatement(Struct, frozen=True, kw_only=True):
    adjusted_value: Decimal
    currency_code: str


class Adjustment(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """ConversionAdjustment. By order id alone: every conversion of ours has one, and both keys at once are an error."""

    adjustment_date_time: str
    adjustment_type: str
    conversion_action: str
    order_id: str
    restatement_value: Restatement | UnsetType = UNSET


class Uploads(Struct, frozen=True, omit_defaults=True, kw_only=True):
    conversions: list[Click] | UnsetType = UNSET
    conversion_adjustments: list[Adjustment] | UnsetType = UNSET
    customer_id: str
    partial_failure: bool
    validate_only: bool | UnsetType = UNSET


_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")


def purchases(group: Sequence[Conversion], customer: str, action: str, *, validate_only: bool = False) -> bytes:
    """An UploadClickConversionsRequest in protobuf's JSON: what travels is these fields, packed."""
    return _ENCODER.encode(
        Uploads(
            conversions=[_click(one, _resource(customer, action)) for one in group],
            customer_id=customer,
            partial_failure=True,
            validate_only=validate_only or UNSET,
        )
    )


def adjustments(
    group: Sequence[Conversion], customer: str, action: str, now: datetime, *, validate_only: bool = False
) -> bytes:
    """An UploadConversionAdjustmentsRequest in protobuf's JSON."""
    return _ENCODER.encode(
        Uploads(
            conversion_adjustments=[_adjustment(one, _resource(customer, action), now) for one in group],
            customer_id=customer,
            partial_failure=True,
            validate_only=validate_only or UNSET,
        )
    )


def _resource(customer: str, action: str) -> str:
    return f"customers/{customer}/conversionActions/{action}"


def _click(one: Conversion, action: str) -> Click:
    found: dict[str, Any] = click_id(one.clicks)
    known = user_identifiers(one)
    return Click(
        # Whoever did not agree never reaches this file. Personalisation has no say in uploads.
        consent={"ad_user_data": "GRANTED"},
        conversion_action=action,
        conversion_date_time=when(one.occurred_at),
        conversion_value=amount(one.value, one.currency),
        currency_code=one.currency,
        customer_type=CUSTOMER_TYPES.get(one.customer_type, UNSET),
        order_id=one.order_id,
        user_identifiers=known or UNSET,
        **found,
    )


def _adjustment(one: Conversion, action: str, now: datetime) -> Adjustment:
    """A full refund retracts, value and count; a partial one restates.

    Its time is when it is told, not when the money went back: of two adjustments with the same time Google ignores the
    second, and the value of an order can change twice in one moment. The ledger tells them one after the other.
    """
    retracts = one.action == "retract"
    value = Restatement(adjusted_value=amount(one.value, one.currency), currency_code=one.currency)
    return Adjustment(
        adjustment_date_time=when(max(now, one.occurred_at + timedelta(seconds=1))),
        adjustment_type="RETRACTION" if retracts else "RESTATEMENT",
        conversion_action=action,
        order_id=one.order_id,
        restatement_value=UNSET if retracts else value,
    )


def user_identifiers(one: Conversion) -> list[dict[str, str]]:
    """E-mail and phones. None beside a braid, which stands for a buyer who must not be recognised by more."""
    if one.clicks.gclid or not click_id(one.clicks):
        known = one.identifiers
        found = [{"hashed_email": value} for value in known.get("email_address", ())]
        found += [{"hashed_phone_number": value} for value in known.get("phone_number", ())]
        return found[:MOST_IDENTIFIERS]
    return []


def when(at: datetime) -> str:
    """yyyy-mm-dd hh:mm:ss+00:00: the offset is required, and UTC is nobody's summer time."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S+00:00")


def names_somebody(order_id: str) -> bool:
    return _PERSONAL.search(order_id) is not None
