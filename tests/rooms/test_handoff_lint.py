"""The lint: the kit's own container passes, and every rule is broken here on purpose."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortex.handoff.elements import ALL_PAGES, INIT, consent, text
from cortex.handoff.kit import KitSpec, build
from cortex.handoff.lint import Finding, errors, lint

CLEAN = json.loads(
    build(
        KitSpec(
            code="xyz",
            client="x",
            domain="loja.com.br",
            ga4_measurement_id="G-ABC123DEF4",
            google_ads_conversion_id="AW-123456789",
            google_ads_conversion_label="AbC-D_efGh12",
            meta_pixel_id="123456789012345",
            tiktok_pixel_id="C4ABCDEFGHIJKLMNOP12",
        )
    )["container.json"]
)


@pytest.fixture
def export():
    return copy.deepcopy(CLEAN)


def find(export, kind, name):
    return next(each for each in export["containerVersion"][kind] if each["name"] == name)


def tag(export, name):
    return find(export, "tag", name)


def set_parameter(item, key, value):
    next(each for each in item["parameter"] if each["key"] == key)["value"] = value


def html(code, **rest):
    return {
        "tagId": "900",
        "name": "Added",
        "type": "html",
        "parameter": [text("html", f"<script>{code}</script>")],
        "firingTriggerId": [ALL_PAGES],
        "consentSettings": consent("ad_storage"),
    } | rest


def add(export, item, kind="tag"):
    export["containerVersion"][kind].append(item)


def rules(export, severity="error"):
    return [finding.rule for finding in lint(export) if finding.severity == severity]


def test_the_kit_s_own_container_is_clean(export):
    assert lint(export) == []


def ga4_row(name, value):
    row = {"type": "MAP", "map": [text("parameter", name), text("parameterValue", value)]}
    return {"type": "LIST", "key": "eventSettingsTable", "list": [row]}


BREAKS = {
    "unique-id": lambda e: tag(e, "CTX - Conversion linker").update(tagId=tag(e, "CTX - Google tag - GA4")["tagId"]),
    "unique-name": lambda e: tag(e, "CTX - Conversion linker").update(name="CTX - Google Ads - purchase"),
    "name-characters": lambda e: tag(e, "CTX - Conversion linker").update(name="Linker: <all>"),
    "enum-case": lambda e: tag(e, "CTX - Conversion linker").update(tagFiringOption="oncePerEvent"),
    "unknown-builtin": lambda e: e["containerVersion"]["builtInVariable"][0].update(type="VIDEO_ELAPSED_TIME"),
    "unresolved-variable": lambda e: set_parameter(tag(e, "CTX - Google tag - GA4"), "tagId", "{{GA4 id}}"),
    "unresolved-trigger": lambda e: tag(e, "CTX - Conversion linker").update(firingTriggerId=["999"]),
    "unresolved-folder": lambda e: tag(e, "CTX - Conversion linker").update(parentFolderId="99"),
    "unresolved-tag": lambda e: tag(e, "CTX - Meta - Purchase").update(setupTag=[{"tagName": "Pixel"}]),
    "builtin-disabled": lambda e: e["containerVersion"].update(builtInVariable=[]),
    "template-missing": lambda e: e["containerVersion"].update(customTemplate=[]),
    "consent-missing": lambda e: tag(e, "CTX - Meta - Purchase").update(consentSettings={"consentStatus": "NOT_SET"}),
    "consent-late": lambda e: tag(e, "CTX - Consent - default").update(firingTriggerId=[INIT]),
    "pii-parameter": lambda e: tag(e, "CTX - GA4 - purchase")["parameter"].append(
        ga4_row("em", "{{CTX - dl ecommerce}}")
    ),
    "id-prefix": lambda e: set_parameter(find(e, "variable", "CTX - GA4 measurement id"), "value", "123456789"),
    "pixel-event-id": lambda e: add(e, html("fbq('track', 'Lead', {value: 1});")),
    "external-id-is-event-id": lambda e: add(
        e,
        html("fbq('init','1',{external_id: {{CTX - Event id}}});fbq('track','Lead',{},{eventID: {{CTX - Event id}}});"),
    ),
    "secret": lambda e: add(e, html("var t = 'EAAabcdefghijklmnopqrstuvwxyz0123';")),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_each_rule_finds_what_it_is_for(export, rule):
    BREAKS[rule](export)
    assert rule in rules(export)
    assert all(finding.message.endswith(".") and finding.element for finding in lint(export))


@pytest.mark.parametrize(
    ("rule", "severity", "change"),
    [
        ("unused-variable", "warning", lambda e: add(e, find(e, "variable", "CTX - Event id") | {"name": "Old"}, "variable")),
        ("unused-trigger", "warning", lambda e: add(e, {"triggerId": "902", "name": "Old", "type": "PAGEVIEW"}, "trigger")),
        ("unused-folder", "warning", lambda e: add(e, {"folderId": "903", "name": "Old"}, "folder")),
        ("unused-tag", "warning", lambda e: add(e, html("", firingTriggerId=[]))),
        ("unused-template", "warning", lambda e: add(e, {"templateId": "904", "containerId": "1", "name": "Old"}, "customTemplate")),
        ("unused-builtin", "info", lambda e: add(e, {"type": "PAGE_URL", "name": "Page URL"}, "builtInVariable")),
        ("consent-not-set", "warning", lambda e: tag(e, "CTX - Conversion linker").pop("consentSettings")),
        ("consent-default", "warning", lambda e: e["containerVersion"]["tag"].remove(tag(e, "CTX - Consent - default"))),
        ("consent-html", "warning", lambda e: add(e, html("gtag('consent', 'default', {})", firingTriggerId=["2147479572"]))),
        ("placeholder", "warning", lambda e: set_parameter(find(e, "variable", "CTX - GA4 measurement id"), "value", "G-XXXXXXXXXX")),
        ("retired-tag", "warning", lambda e: add(e, html("", type="ua"))),
        ("id-prefix", "warning", lambda e: set_parameter(find(e, "variable", "CTX - Google Ads conversion id"), "value", "AW-123456789")),
    ],
)  # fmt: skip
def test_what_is_merely_suspicious_is_no_error(export, rule, severity, change):
    change(export)
    assert rule in rules(export, severity)
    assert rule not in rules(export)


def test_personal_data_is_found_through_the_variable_that_carries_it(export):
    tag(export, "CTX - GA4 - purchase")["parameter"].append(ga4_row("customer", "{{CTX - dl user_data.email}}"))
    assert rules(export) == ["pii-parameter"]


def test_a_server_container_must_not_prefix_its_conversion(export):
    export["containerVersion"]["container"]["usageContext"] = ["SERVER"]
    set_parameter(find(export, "variable", "CTX - Google Ads conversion id"), "value", "AW-123456789")
    assert "id-prefix" in rules(export)


def test_errors_come_first(export):
    tag(export, "CTX - Conversion linker").pop("consentSettings")
    tag(export, "CTX - Google tag - GA4").update(firingTriggerId=["999"])
    ranks = [finding.severity for finding in lint(export)]
    assert ranks == sorted(ranks, key=["error", "warning", "info"].index)
    assert [finding.rule for finding in errors(lint(export))] == ["unresolved-trigger"]


@pytest.mark.parametrize(
    "wrong",
    [{}, {"exportFormatVersion": 2}, {"containerVersion": {}}, {"exportFormatVersion": 2, "containerVersion": []}],
)
def test_another_file_is_told_what_was_expected(wrong):
    (finding,) = lint(wrong)
    assert finding == Finding("error", "export-format", "file", finding.message)
    assert "exportFormatVersion 2" in finding.message


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "key", "value", "list", "map", "name"]), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["tag", "trigger", "variable", "folder", "customTemplate", "builtInVariable"]), data=st.data()
)
def test_a_file_of_any_shape_gives_findings_not_a_crash(kind, data):
    export = copy.deepcopy(CLEAN)
    items = export["containerVersion"][kind]
    if items and data.draw(st.booleans()):
        item = data.draw(st.sampled_from(items))
        item[data.draw(st.sampled_from(sorted(item)))] = data.draw(JUNK)
    else:
        export["containerVersion"][kind] = data.draw(JUNK)
    assert isinstance(lint(export), list)
