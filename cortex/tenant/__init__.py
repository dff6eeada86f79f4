"""Tenant: `tenants/<code>.yaml` as a typed, immutable object, every problem at once and at its line."""

from __future__ import annotations

from cortex.tenant.agency import FILE as AGENCY_FILE
from cortex.tenant.agency import Agency, channels, general_channels, load_agency, reminder_hours
from cortex.tenant.client import Ecommerce, Tenant
from cortex.tenant.codes import check as check_code
from cortex.tenant.codes import suggestion
from cortex.tenant.conflicts import conflicts
from cortex.tenant.loading import load, load_all, load_each, load_file, load_version
from cortex.tenant.schema import schema
from cortex.tenant.showing import credentials, describe, env_example, example_text, warnings

__all__ = [
    "AGENCY_FILE",
    "Agency",
    "Ecommerce",
    "Tenant",
    "channels",
    "check_code",
    "conflicts",
    "credentials",
    "describe",
    "env_example",
    "example_text",
    "general_channels",
    "load",
    "load_agency",
    "load_all",
    "load_each",
    "load_file",
    "load_version",
    "reminder_hours",
    "schema",
    "suggestion",
    "warnings",
]
