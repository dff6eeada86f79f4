"""How each platform wants people written, field by field: what `check` explains and destinations are tested against."""

from __future__ import annotations

from cortex.records import IdentifierField, IdentifierRules


def _fields(*fields: tuple[str, str, str], plain: tuple[str, ...] = (), variants: bool = False) -> IdentifierRules:
    return IdentifierRules(
        fields=tuple(
            IdentifierField(key=key, fact=fact, rule=rule, hashed=key not in plain, variants=variants)
            for key, fact, rule in fields
        )
    )


META = _fields(
    ("em", "email", "email_plain"),
    ("ph", "phone", "phone_digits"),
    ("fn", "first_name", "name_given"),
    ("ln", "last_name", "name_family"),
    ("ct", "city", "city_plain"),
    ("st", "state", "state_code"),
    ("zp", "postal_code", "postcode_meta"),
    ("country", "country", "country_code"),
    ("external_id", "store_id", "id_plain"),
    ("ge", "gender", "gender_letter"),
    ("db", "birth_date", "birth_date"),
    variants=True,
)
"""Meta, customer information parameters. ge and db can be checked, but are not sent: the shop does not need to tell."""

GOOGLE = _fields(
    ("email", "email", "email_google"),
    ("phone", "phone", "phone_e164"),
    ("first_name", "first_name", "name_plain"),
    ("last_name", "last_name", "name_plain"),
    ("country", "country", "region_code"),
    ("postal_code", "postal_code", "postcode_plain"),
    plain=("country", "postal_code"),
)
"""Google Data Manager, user data formatting. City and state are not taken for conversions."""

TIKTOK = _fields(
    ("email", "email", "email_plain"), ("phone", "phone", "phone_e164"), ("external_id", "store_id", "id_plain")
)
"""TikTok Events API 1.3: the phone is hashed with its plus sign."""

SNAP = _fields(
    ("em", "email", "email_plain"),
    ("ph", "phone", "phone_digits"),
    ("fn", "first_name", "name_plain"),
    ("ln", "last_name", "name_plain"),
    ("ct", "city", "city_plain"),
    ("st", "state", "state_code"),
    ("zp", "postal_code", "postcode_meta"),
    ("country", "country", "country_code"),
    ("ge", "gender", "gender_letter"),
)
"""Snap Conversions API 3: mirrors Meta's payload."""

PINTEREST = _fields(*((field.key, field.fact, field.rule) for field in META.fields))
"""Pinterest Conversions API 5: hashes as Meta does, phone as digits without leading zeros."""

PLATFORMS = {"meta": META, "google": GOOGLE, "tiktok": TIKTOK, "snap": SNAP, "pinterest": PINTEREST}
KINDS = {"meta_capi": "meta", "google_ec": "google", "tiktok_events": "tiktok"}
"""Names of `destinations/` files, for people who type those."""
