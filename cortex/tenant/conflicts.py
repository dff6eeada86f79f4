"""Clients that point at the same shop, account or pixel: legal, rarely meant, and every sum counts twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cortex.tenant.client import Tenant

_SHARED = frozenset({"login_customer_id", "conversion_action_id"})
"""Ids that many clients of one agency have in common: a manager account, an action of an account named elsewhere."""


def conflicts(tenants: Iterable[Tenant]) -> list[str]:
    """One sentence for every id that more than one of the clients names. For `cortex doctor`."""
    owners: dict[tuple[str, str], list[str]] = {}
    for tenant in tenants:
        for key, value in sorted(set(_ids(tenant))):
            owners.setdefault((key, value), []).append(tenant.code)
    return [_sentence(sorted(codes), key, value) for (key, value), codes in sorted(owners.items()) if len(codes) > 1]


def _sentence(codes: list[str], key: str, value: str) -> str:
    clients = f"{', '.join(codes[:-1])} and {codes[-1]}"
    return f"{clients} have the same {key} ({value}): the same figures would be counted for each."


def _ids(tenant: Tenant) -> Iterator[tuple[str, str]]:
    for block, kind, config in tenant.platforms():
        inherited = getattr(config, "inherits", {})
        for name in type(config).model_fields:
            value = getattr(config, name)
            if (
                name.endswith("_id")
                and name not in _SHARED
                and name not in inherited
                and isinstance(value, str)
                and value
            ):
                yield f"{block}.{kind}.{name}", value
