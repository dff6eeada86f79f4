"""Rehearsal: a whole purchase through the container in a browser, held against what Cortex would send for the same order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cortex.clock import system_clock
from cortex.errors import UsageError
from cortex.handoff import browser
from cortex.handoff.compare import context
from cortex.handoff.container import container as kit_container
from cortex.handoff.events import EVENTS
from cortex.steps import handover, parity
from cortex.steps.shopping import EMAIL, FBCLID, GCLID, Check, check, fired, tracked, visits

if TYPE_CHECKING:
    from cortex.handoff.elements import Json
    from cortex.tenant import Tenant
    from cortex.workspace import Workspace


def rehearse(tenant: Tenant, workspace: Workspace, container: Json | None = None) -> list[Check]:
    """Every check, in the order of the visit. container: an export to run instead of the kit's own.

    Raises ConfigError (CTX-3403) where there is no browser, UsageError (CTX-3409) for a server container.
    """
    if container is not None and context(container) != "WEB":
        raise UsageError(
            "CTX-3409", "A server container runs on no page.", fix="cortex tracking audit export.json looks at it."
        )
    spec = handover.kit_spec(tenant)
    seen = browser.walk(container or kit_container(spec), visits(tenant.currency))
    ordered = system_clock()()
    checks = [*_before_consent(seen), *_granted(seen["granted"], tenant), *_taken_back(seen["withdrawn"])]
    checks += parity.gates(seen, tenant, workspace, ordered)
    for kind, body in parity.bodies(seen["granted"][-1]["attributes"], tenant, workspace, ordered).items():
        checks += parity.PARITY[kind](seen["granted"], body) if kind in parity.PARITY else []
    strange = sorted({each for pages in seen.values() for page in pages for each in page["strange"]})
    said = f"not understood: {', '.join(strange)[:200]}" if strange else "every element was understood"
    checks.append(Check("interpreter", "failed" if strange and container is None else "ok", said))
    return checks


# What the visitor's choice must mean


def _before_consent(seen: Mapping[str, list[Json]]) -> Iterator[Check]:
    first = seen["undecided"][0]["trace"][:1]
    said = f"{first[0]['tag']} on {first[0]['event']}" if first else "no tag fires at all"
    good = bool(first) and first[0]["event"] == "gtm.init_consent"
    yield check("consent first", good, f"the first tag is {said}")
    for name in ("undecided", "refused"):
        pages = seen[name]
        leaks = sorted({each for page in pages for each in page["cookies"] if each != "ctx_choice"})
        hosts = sorted({host for page in pages for host in page["hosts"]})
        calls = sum(len(page["fbq"]) + len(page["ttq"]) for page in pages)
        wrong = [*(f"cookie {each}" for each in leaks), *hosts, *([f"{calls} pixel calls"] if calls else [])]
        yield check(name, not wrong, f"leaves {', '.join(wrong)}" if wrong else "no cookie, no pixel, no foreign host")
        kept = pages[-1]["attributes"]
        said = "the order says " + (
            ", ".join(f"{key} {value.partition(';')[0]}" for key, value in kept.items()) or "nothing"
        )
        yield check(f"{name}: order", not kept if name == "undecided" else _only_refusal(kept), said)


def _granted(pages: list[Json], tenant: Tenant) -> Iterator[Check]:
    kept = pages[-1]["attributes"]
    exact = kept.get("ctx_gclid") == GCLID and str(kept.get("ctx_fbc", "")).endswith(f".{FBCLID}")
    yield check(
        "capture", exact, "click ids reach the order letter by letter" if exact else f"the order holds {sorted(kept)}"
    )
    spec = handover.kit_spec(tenant)
    told = {each["told"].get("eventName"): each["told"].get("ecommerce") for each in fired(pages, "gaawe")}
    if not told:
        yield Check("GA4", "off", "no GA4 tag, or it is paused")
    else:
        lost = [event.ga4 for event in EVENTS if event.ga4 != "refund" and not told.get(event.ga4)]
        yield check("GA4", not lost, f"{len(told)} events with their items" if not lost else f"lost: {', '.join(lost)}")
        personal = EMAIL in json.dumps([each["told"] for each in fired(pages, "gaawe", "googtag")])
        yield check("GA4: people", not personal, "personal data in Analytics" if personal else "no personal data")
    for name, key, part in (("Meta pixel", "fbq", "meta"), ("TikTok pixel", "ttq", "tiktok")):
        calls = tracked(pages, key)
        wanted = [getattr(event, part) for event in EVENTS if getattr(event, part)]
        if not calls:
            missing = spec.has(part) and bool(getattr(spec, f"{part}_pixel_id"))
            yield Check(name, "failed" if missing else "off", "no event leaves" if missing else "not in the container")
            continue
        lost = [event for event in wanted if event not in {call[0] for call in calls}]
        yield check(name, not lost, f"lost: {', '.join(lost)}" if lost else f"{len(calls)} events")
        yield from _ids(name, calls)


def _ids(name: str, calls: Sequence[tuple[str, Json, str]]) -> Iterator[Check]:
    added = [number for event, _, number in calls if event == "AddToCart"]
    bought = {number for event, _, number in calls if event == "Purchase"}
    every = all(number for _, _, number in calls)
    good = every and len(set(added)) == len(added) and len(bought) == 1
    said = (
        "each event has its id; a reload repeats the purchase's"
        if good
        else f"purchase ids {sorted(bought)}, added {added}"
    )
    yield check(f"{name}: ids", good, said)


def _taken_back(pages: list[Json]) -> Iterator[Check]:
    last = pages[-1]
    calls = [call for page in pages[5:] for call in page["fbq"] + page["ttq"]]
    left = sorted(name for name in last["cookies"] if name.startswith("ctx_") and name != "ctx_choice")
    good = not calls and not left and _only_refusal(last["attributes"])
    said = "ids gone, pixels silent after it" if good else f"left: {', '.join(left)}; {len(calls)} pixel calls"
    yield check("consent taken back", good, said)


def _only_refusal(attributes: Mapping[str, str]) -> bool:
    return set(attributes) == {"ctx_consent"} and attributes["ctx_consent"].startswith("denied;")
