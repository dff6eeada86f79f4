"""A client file shown back: every setting with its source, the credentials it asks for, and the template."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from cortex import plugins
from cortex.notify import Channel
from cortex.secrets import MASK, REDACTOR, Vault
from cortex.settings import SecretName
from cortex.tenant.agency import Agency, channels
from cortex.tenant.client import Tenant
from cortex.tenant.platforms import INSTALLED, ROOMS, STORE, Platforms
from cortex.workspace import bundled

Setting = tuple[str, str, str]


@dataclass(frozen=True)
class Credential:
    """A credential that an enabled block needs, and the page that says how to get it."""

    block: str
    """`ads.meta`, `ecommerce.nuvemshop` …"""
    secret: SecretName
    docs: str


def credentials(tenant: Tenant, *, platforms: Platforms = INSTALLED) -> list[Credential]:
    """The credentials of the enabled blocks, each name once, in the order of the file."""
    found: dict[str, Credential] = {}
    for block, kind, _ in tenant.platforms():
        adapter = platforms.adapter(ROOMS[block], kind)
        for secret in adapter.secrets:
            found.setdefault(secret.name, Credential(f"{block}.{kind}", secret, adapter.docs))
    for kind, channel in channels(tenant, Agency()).items():
        for secret in plugins.adapter("notify", kind, Channel).needs(channel):
            found.setdefault(secret.name, Credential(f"notifications.{kind}", secret, Channel.docs))
    return list(found.values())


def describe(tenant: Tenant, vault: Vault | None = None, *, platforms: Platforms = INSTALLED) -> list[Setting]:
    """(key, value, where it comes from) of every effective setting: `tenants/xyz.yaml:12` or `default`.

    With a vault also the credentials: masked, with the variable that gave them, or `not set`.
    """
    return [*_settings(tenant), *(_masked(tenant, vault, platforms) if vault else ())]


def warnings(tenant: Tenant) -> list[str]:
    """What is allowed and probably not meant, one sentence each with its place."""
    return [str(problem) for problem in tenant.warnings]


def _settings(tenant: Tenant) -> Iterator[Setting]:
    head = {
        "name": tenant.name,
        "code": tenant.code,
        "timezone": tenant.timezone.key,
        "currency": tenant.currency,
        "lang": tenant.lang,
        "active": tenant.active,
    }
    for key, value in head.items():
        yield from _leaf(tenant, f"client.{key}", value)
    for block, kind, config in tenant.platforms():
        if block == STORE:
            yield from _leaf(tenant, f"{STORE}.platform", kind)
            yield from _fields(tenant, STORE, config)
        else:
            yield from _fields(tenant, f"{block}.{kind}", config)
    for path in sorted(tenant.disabled):
        yield f"{path}.enabled", "false", tenant.sources.get(f"{path}.enabled", tenant.file)
    own: dict[str, BaseModel | None] = {
        "etl": tenant.etl,
        "analytics_config": tenant.analytics,
        "alerts": tenant.alerts,
        "notifications": tenant.notifications,
        "quality": tenant.quality,
        "funnel_stages": tenant.funnel,
        "tracking": tenant.tracking,
        "kpis": tenant.kpis,
        "schedule": tenant.schedule,
        "privacy": tenant.privacy,
    }
    for name, section in own.items():
        if section is None:
            yield name, "", "not in the file"
        else:
            yield from _fields(tenant, name, section)


def _fields(tenant: Tenant, path: str, section: BaseModel) -> Iterator[Setting]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _fields(tenant, f"{path}.{name}", value)
        else:
            yield from _leaf(tenant, f"{path}.{name}", value)


def _leaf(tenant: Tenant, key: str, value: Any) -> Iterator[Setting]:
    yield key, _text(value), tenant.sources.get(key, "default")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _masked(tenant: Tenant, vault: Vault, platforms: Platforms) -> Iterator[Setting]:
    for each in credentials(tenant, platforms=platforms):
        found = vault.find(*each.secret.names)
        place = REDACTOR.clean(found.source) if found else vault.names(each.secret.name)[0]
        yield f"credentials.{each.secret.name}", MASK if found else "not set", place


def env_example(tenants: Iterable[Tenant], *, platforms: Platforms = INSTALLED) -> str:
    """A `.env.example` with exactly the variables that the enabled blocks of these clients need, all empty."""
    lines = [
        "# Credentials of this workspace. Copy to .env (chmod 600, never committed) and fill in.",
        "# CORTEX_<CODE>_<NAME> is one client's own. CORTEX_<NAME>, without a code, serves every client that has none.",
        "# Each name may also end in _FILE and hold the path of a file with the credential.",
    ]
    for tenant in tenants:
        lines += ["", f"# {tenant.code}: {tenant.name} ({tenant.file})"]
        for each in credentials(tenant, platforms=platforms):
            lines += _variable(tenant, each)
    return "\n".join(lines) + "\n"


def _variable(tenant: Tenant, each: Credential) -> list[str]:
    own = f"CORTEX_{tenant.code.upper()}_{each.secret.name}"
    page = f" See docs/en/{each.docs.removesuffix('.md')}.md." if each.docs else ""
    about = f"# {each.block}: {each.secret.what.rstrip('.')}.{page}"
    if each.secret.fallback:
        about += f" Empty: CORTEX_{tenant.code.upper()}_{each.secret.fallback} is used."
    return [about, f"{own}="]


def example_text(code: str = "", name: str = "") -> str:
    """The commented template of a client file (pt-BR). What only a person can know is marked TODO."""
    text = (bundled("tenants") / "_example.yaml").read_text(encoding="utf-8")
    for key, value in (("code", code), ("name", name)):
        if value:
            # JSON's quoted text is YAML's: quotes and backslashes of a name stay inside it.
            text = text.replace(f'  {key}: "TODO"', f"  {key}: {json.dumps(value, ensure_ascii=False)}", 1)
    return text
