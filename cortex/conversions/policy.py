"""What a client allows to be told about its buyers: the `privacy` block of its file."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, field_validator

from cortex.settings import Section


class ConsentPolicy(Section):
    """Who may be told about: opt_in, only buyers who agreed; opt_out, everyone who did not refuse.

    Left out of the client file, no conversion leaves at all.
    """

    mode: Literal["opt_in", "opt_out"]
    min_version: str = ""
    """Oldest version of the consent text that still counts as agreement; anything older is unknown."""

    @field_validator("min_version", mode="before")
    @classmethod
    def _numbers_are_versions(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("min_version")
    @classmethod
    def _has_a_number(cls, value: str) -> str:
        if value and not version_key(value):
            raise ValueError("needs a number to be compared by, such as 2 or 2026-05-01")
        return value


class Retention(Section):
    """Days until what is no longer needed is deleted."""

    raw_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """Redacted payloads of the shop."""


class Privacy(Section):
    """The `privacy` block."""

    consent: ConsentPolicy | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "BR"
    """Read into phones, states and postcodes of buyers who did not name their own country."""
    marketplace_orders: bool = False
    """Whether orders imported from a marketplace are sent: no ad of this shop brought them."""
    internal_emails: tuple[str, ...] = ()
    """Addresses or @domains of the shop and the agency, whose orders are no conversions."""
    retention: Retention = Retention()

    @field_validator("internal_emails")
    @classmethod
    def _addresses(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            if not re.fullmatch(r"[^\s@]*@[^\s@]+\.[^\s@]+", entry.strip()):
                raise ValueError("needs addresses or @domains")
        return entries


@lru_cache(maxsize=256)
def version_key(text: str) -> tuple[int, ...]:
    """The numbers of a version in order: `v2.10` is (2, 10), `2026-05-01` is (2026, 5, 1)."""
    return tuple(int(number) for number in re.findall(r"\d+", text))
