"""Offline conversion diagnostics of Google Ads: how many events of a conversion action it used, by day and upload client.

Google does not say under which client it counts uploads of the Data Manager, so every client's rows are read and kept
apart; whoever compares them (`cortex.steps.diagnose`) leans on none of the names.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from cortex.google_ads import AdsService
from cortex.records import Diagnosis

RESOURCES = ("offline_conversion_upload_client_summary", "offline_conversion_upload_conversion_action_summary")
CLIENT, ACTION = RESOURCES
WORST = 3
"""Errors named of an upload client, the most frequent first."""


def query(resource: str, *more: str) -> str:
    fields = ("client", "status", "alerts", "daily_summaries", *more)
    return f"SELECT {', '.join(f'{resource}.{name}' for name in fields)} FROM {resource}"  # noqa: S608  # our own names


def read(service: AdsService, customer: str, action: str) -> list[Diagnosis]:
    """The conversion action's counts, a row per upload client and day; status and errors are the client's as a whole.

    Raises what `AdsService.rows` raises.
    """
    clients = {_name(row, "client"): row for row in _found(service.rows(customer, query(CLIENT)), CLIENT)}
    told = _found(service.rows(customer, query(ACTION, "conversion_action_id")), ACTION)
    return [one for row in told if str(row.conversion_action_id) == action for one in _days(row, clients)]


def _found(rows: list[Any], resource: str) -> list[Any]:
    return [getattr(row, resource) for row in rows]


def _days(row: Any, clients: dict[str, Any]) -> Iterator[Diagnosis]:
    client = _name(row, "client")
    status = _name(row, "status") or (_name(clients[client], "status") if client in clients else "")
    errors = [f"{_error(alert.error)} {alert.error_percentage:.1%}" for alert in list(row.alerts)[:WORST]]
    for day in row.daily_summaries:
        yield Diagnosis(
            part=client or "UNKNOWN",
            day=date.fromisoformat(day.upload_date),
            succeeded=day.successful_count,
            failed=day.failed_count,
            pending=day.pending_count,
            status=status,
            said=", ".join(errors),
        )


def _name(message: Any, field: str) -> str:
    """The member of an enum; of one newer than this version's, its number."""
    number = getattr(message, field)
    known = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number.get(number)
    return (known.name if known else str(number)) if number else ""


def _error(error: Any) -> str:
    for field, value in error.ListFields():
        known = field.enum_type.values_by_number.get(value)
        return str(known.name if known else value)
    return "UNKNOWN"
