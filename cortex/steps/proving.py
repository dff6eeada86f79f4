"""Proving: one invented sale per destination, told as a test, so that the road is proven before a real one takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from cortex.conversions import event_id
from cortex.destinations import Destination
from cortex.errors import ConfigError
from cortex.identity import identify
from cortex.records import Clicks, Conversion, Person, Receipt
from cortex.run import Run

Rehearse = Callable[[Sequence[Conversion]], list[Receipt]]


def rehearse(run: Run, kind: str, code: str = "") -> tuple[str, Receipt]:
    """How it was told (`validated`, `test event`), and what the platform answered.

    A platform that can validate without storing is asked to; another gets a test event under `code`, the client
    file's test_event_code when empty. Raises ConfigError (CTX-6107) when it needs one and there is none, or has no way
    to test.
    """
    config: Any = run.tenant.destinations[kind]
    known = "test_event_code" in type(config).model_fields
    if code and known:
        config = config.model_copy(update={"test_event_code": code})
    destination = run.adapter("destinations", kind, Destination, config)
    made = invented(run, destination)
    validate: Rehearse | None = getattr(destination, "rehearse", None)
    if validate is not None:
        return "validated, nothing stored", validate([made])[0]
    if not known:
        raise ConfigError(
            "CTX-6107",
            f"{kind} has no way to be tested without counting.",
            fix=f"cortex conversions plan {run.tenant.code} --out DIR",
        )
    if not config.test_event_code:
        raise ConfigError(
            "CTX-6107",
            f"{kind} needs a test code: without one the test would count as a sale.",
            fix=f"Copy it from the platform's page of test events: cortex conversions test {run.tenant.code} --test-code CODE",
        )
    return f"test event, code {config.test_event_code}", destination.send([made])[0]


def invented(run: Run, destination: Destination) -> Conversion:
    """A sale of nobody (test@example.com) worth 1.00 a minute ago, under an id no shop gives."""
    now = run.now()
    nobody = Person(email="test@example.com", phone="+5511900000001", store_id="cortex-test", country="BR")
    country = run.tenant.privacy.country if run.tenant.privacy else "BR"
    order = f"cortex-test-{now:%Y%m%d%H%M%S}"
    return Conversion(
        key=order,
        event_id=event_id(order),
        order_id=order,
        occurred_at=now - timedelta(minutes=1),
        value=Decimal("1.00"),
        currency=run.tenant.currency,
        identifiers=identify(nobody, destination.identifiers, country),
        clicks=Clicks(),
        user_agent="Mozilla/5.0 (cortex test)",
        event_url="https://example.com/cortex-test",
    )
