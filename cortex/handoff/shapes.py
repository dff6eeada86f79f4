"""What real Tag Manager exports look like, as data: keys of each object, parameters of each type, words of each enumeration.

Written down from exports people published (exportFormatVersion 2). It guards our own files against drifting into something
the importer has never seen, and finds elements of other files that lack what their type cannot do without.
"""

from __future__ import annotations

from collections.abc import Iterator

from cortex.handoff.elements import Json
from cortex.handoff.export import Export, Finding, dicts, elements, listed, mapping, named

_OWNED = {"accountId", "containerId", "fingerprint", "name", "notes", "parentFolderId", "tagManagerUrl", "path"}

VERSION = {
    "path", "accountId", "containerId", "containerVersionId", "container", "tag", "trigger", "variable", "builtInVariable",
    "folder", "customTemplate", "client", "transformation", "zone", "gtagConfig", "fingerprint", "tagManagerUrl", "name",
    "description",
}  # fmt: skip
CONTAINER = {
    "path", "accountId", "containerId", "name", "publicId", "usageContext", "fingerprint", "features", "tagIds", "tagManagerUrl",
    "taggingServerUrls", "notes", "domainName",
}  # fmt: skip
KEYS: dict[str, set[str]] = {
    "tag": _OWNED
    | {
        "tagId", "type", "parameter", "firingTriggerId", "blockingTriggerId", "tagFiringOption", "priority", "setupTag",
        "teardownTag", "consentSettings", "monitoringMetadata", "monitoringMetadataTagNameKey", "paused", "liveOnly",
        "scheduleStartMs", "scheduleEndMs",
    },
    "trigger": _OWNED
    | {
        "triggerId", "type", "filter", "autoEventFilter", "customEventFilter", "parameter", "waitForTags", "checkValidation",
        "waitForTagsTimeout", "uniqueTriggerId", "eventName", "interval", "limit", "selector", "visibilitySelector",
        "horizontalScrollPercentageList", "verticalScrollPercentageList", "visiblePercentageMin", "visiblePercentageMax",
        "continuousTimeMinMilliseconds", "totalTimeMinMilliseconds", "intervalSeconds", "maxTimerLengthSeconds",
    },
    "variable": _OWNED
    | {
        "variableId", "type", "parameter", "formatValue", "enablingTriggerId", "disablingTriggerId", "scheduleStartMs",
        "scheduleEndMs",
    },
    "folder": _OWNED | {"folderId"},
    "template": _OWNED | {"templateId", "templateData", "galleryReference"},
    "client": _OWNED | {"clientId", "type", "parameter", "priority"},
    "transformation": _OWNED | {"transformationId", "type", "parameter"},
}  # fmt: skip

NEEDED: dict[str, tuple[str, ...]] = {
    "googtag": ("tagId",),
    "gaawe": ("eventName", "measurementIdOverride"),
    "awct": ("conversionId", "conversionLabel"),
    "sp": ("conversionId",),
    "html": ("html",),
    "sgtmadsct": ("conversionId", "conversionLabel"),
    "v": ("name",),
    "k": ("name",),
    "c": ("value",),
    "jsm": ("javascript",),
    "j": ("name",),
    "ed": ("keyPath",),
    "smm": ("input",),
    "remm": ("input",),
}
"""Parameters without which an element of a type does nothing."""

PARAMETERS: dict[str, set[str]] = {
    "googtag": {"tagId", "configSettingsTable", "configSettingsVariable", "eventSettingsTable", "eventSettingsVariable"},
    "gaawe": {
        "eventName", "measurementIdOverride", "measurementId", "sendEcommerceData", "getEcommerceDataFrom", "ecommerceMacroData",
        "eventSettingsTable", "eventSettingsVariable", "userProperties", "enhancedUserId",
    },
    "awct": {
        "conversionId", "conversionLabel", "conversionValue", "currencyCode", "orderId", "enableConversionLinker",
        "conversionCookiePrefix", "enableEnhancedConversion", "cssProvidedEnhancedConversionValue", "enableNewCustomerReporting",
        "newCustomerReportingDataSource", "awNewCustomer", "enableProductReporting", "enableShippingData", "rdp",
    },
    "gclidw": {"enableCrossDomain", "enableUrlPassthrough", "enableCookieOverrides"},
    "html": {"html", "supportDocumentWrite"},
    "sgtmgaaw": {"redactVisitorIp", "epToIncludeDropdown", "upToIncludeDropdown", "measurementId"},
    "sgtmadscl": {"enableLinkerParams", "enableCookieOverrides"},
    "sgtmadsct": {
        "conversionId", "conversionLabel", "conversionValue", "currencyCode", "enableConversionLinker",
        "enableNewCustomerReporting", "enableProductReporting", "rdp",
    },
    "gaaw_client": {
        "activateDefaultPaths", "cookieManagement", "cookieName", "cookieDomain", "cookiePath", "cookieMaxAgeInSec",
        "migrateFromJsClientId",
    },
    "v": {"dataLayerVersion", "setDefaultValue", "defaultValue", "name"},
    "k": {"decodeCookie", "name"},
    "c": {"value"},
    "jsm": {"javascript"},
    "awec": {"mode", "email", "phone_number"},
    "ed": {"keyPath", "setDefaultValue", "defaultValue"},
}  # fmt: skip
"""Parameters our own elements may have, by type."""

TRIGGER_TYPES = {
    "PAGEVIEW", "DOM_READY", "WINDOW_LOADED", "CUSTOM_EVENT", "TRIGGER_GROUP", "INIT", "CONSENT_INIT", "CLICK", "LINK_CLICK",
    "FORM_SUBMISSION", "HISTORY_CHANGE", "JS_ERROR", "SCROLL_DEPTH", "ELEMENT_VISIBILITY", "YOU_TUBE_VIDEO", "TIMER",
    "SERVER_PAGEVIEW", "ALWAYS",
}  # fmt: skip
CONDITIONS = {
    "EQUALS", "CONTAINS", "STARTS_WITH", "ENDS_WITH", "MATCH_REGEX", "GREATER", "GREATER_OR_EQUALS", "LESS", "LESS_OR_EQUALS",
    "CSS_SELECTOR", "URL_MATCHES",
}  # fmt: skip
WORDS: dict[str, set[str]] = {
    "tagFiringOption": {"ONCE_PER_EVENT", "ONCE_PER_LOAD", "UNLIMITED"},
    "consentStatus": {"NOT_SET", "NOT_NEEDED", "NEEDED"},
}


def incomplete(export: Export) -> Iterator[Finding]:
    """Elements without what their type cannot do without, and words no export knows."""
    for kind, _, item in elements(export):
        label, kind_name = named(item, kind), str(item.get("type", ""))
        if kind in {"tag", "trigger", "variable", "client"} and not kind_name:
            yield Finding("error", "shape", label, "It has no type.")
        if kind == "trigger" and kind_name.isupper() and kind_name not in TRIGGER_TYPES:
            yield Finding("info", "shape", label, f"Trigger type {kind_name} is unknown to this check.")
        given = {str(each.get("key")) for each in dicts(item.get("parameter"))}
        for name in NEEDED.get(kind_name, ()) if kind in {"tag", "variable", "client"} else ():
            if name not in given:
                yield Finding("error", "shape", label, f"A {kind_name} without the parameter {name} does nothing.")
        for name, words in WORDS.items():
            said = item.get(name) if name in item else mapping(item.get("consentSettings")).get(name)
            if isinstance(said, str) and said.isupper() and said not in words:
                yield Finding("error", "shape", label, f"{name} {said} is not one of {', '.join(sorted(words))}.")
        for each in _conditions(item):
            if str(each.get("type", "")).upper() not in CONDITIONS:
                yield Finding("error", "shape", label, f"{each.get('type')} is no condition of a trigger.")


def _conditions(item: Json) -> Iterator[Json]:
    for key in ("filter", "customEventFilter", "autoEventFilter"):
        yield from dicts(item.get(key))


def strangers(container: Json, export: Export) -> list[str]:
    """What no recorded export holds: unknown keys and parameters. For our own files, which may hold none."""
    version = mapping(container.get("containerVersion"))
    found = [f"containerVersion.{key}" for key in sorted(set(version) - VERSION)]
    found += [f"container.{key}" for key in sorted(set(mapping(version.get("container"))) - CONTAINER)]
    for kind, _, item in elements(export):
        found += [f"{named(item, kind)}: {key}" for key in sorted(set(item) - KEYS[kind])]
        known = PARAMETERS.get(str(item.get("type")))
        given = [str(each.get("key")) for each in listed(item.get("parameter"))]
        if known is not None:
            found += [f"{named(item, kind)}: parameter {key}" for key in given if key not in known]
        if len(set(given)) != len(given):
            found.append(f"{named(item, kind)}: a parameter twice")
    return found
