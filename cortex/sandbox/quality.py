"""What Meta's Dataset Quality API says of a dataset: for each event name, how well people could be found by its keys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from cortex.sandbox.graph import bad_parameter
from cortex.sandbox.received import Delivery

WINDOW = timedelta(hours=48)
KNOWN = frozenset(
    {
        "web",
        "event_name",
        "event_match_quality",
        "composite_score",
        "match_key_feedback",
        "identifier",
        "coverage",
        "percentage",
    }
)
NAMES = {
    "em": "email", "ph": "phone", "fn": "fn", "ln": "ln", "ct": "ct", "st": "st", "zp": "zip", "country": "country",
    "external_id": "external_id", "client_ip_address": "ip_address", "client_user_agent": "user_agent", "fbc": "fbc",
    "fbp": "fbp", "db": "dob", "ge": "gender",
}  # fmt: skip
"""Match keys as this API calls them."""
PRIORITY = {
    "em": 3.0, "fbc": 3.0, "fb_login_id": 1.5, "db": 1.0, "country": 0.5, "ph": 1.5, "external_id": 1.0, "fbp": 1.0,
}  # fmt: skip
"""Points of the keys Meta puts first; the others count 0.2. How Meta really scores is not public."""


def events(sent: Iterable[Delivery], fields: str) -> list[dict[str, Any]]:
    """A row for each event name that came from a website. Raises GraphError for a field there is none of."""
    for name in re.findall(r"\w+", fields):
        if name not in KNOWN:
            raise bad_parameter(f"Tried accessing nonexisting field ({name}) on node type (DatasetQuality)")
    groups: dict[str, list[Delivery]] = {}
    for one in sent:
        if one.payload.get("action_source") == "website" and one.outcome != "duplicate":
            groups.setdefault(one.event_name, []).append(one)
    return [_event(name, found) for name, found in sorted(groups.items())]


def _event(name: str, sent: list[Delivery]) -> dict[str, Any]:
    counts = Counter(key for one in sent for key in one.identifiers)
    points = sum(PRIORITY.get(key, 0.2) * count / len(sent) for key, count in counts.items())
    keys = [
        {"identifier": NAMES.get(key, key), "coverage": {"percentage": round(100 * count / len(sent), 1)}}
        for key, count in sorted(counts.items())
    ]
    return {
        "event_name": name,
        "event_match_quality": {"composite_score": round(min(points, 10.0), 1), "match_key_feedback": keys},
    }
