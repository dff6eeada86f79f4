"""The audit of containers in use: what they lack, count twice, or send to another's account; and files that are none."""

import copy
import json
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortex.errors import UsageError
from cortex.handoff.audit import audit, counts
from cortex.handoff.elements import ALL_PAGES, consent, flag, text
from cortex.handoff.kit import KitSpec, build
from cortex.handoff.reading import LARGEST, parse, read_export

SPEC = KitSpec(
    code="xyz",
    client="x",
    domain="loja.com.br",
    ga4_measurement_id="G-ABC123DEF4",
    google_ads_conversion_id="AW-123456789",
    google_ads_conversion_label="AbC-D_efGh12",
    meta_pixel_id="123456789012345",
    tiktok_pixel_id="C4ABCDEFGHIJKLMNOP12",
    server=True,
)
KIT = build(SPEC)
WEB = json.loads(KIT["container.json"])
SERVER = json.loads(KIT["server_container.json"])
TEMPLATE = """___INFO___
{"type": "TAG", "displayName": "Facebook Pixel"}
___SANDBOXED_JS_FOR_WEB_TEMPLATE___
data.gtmOnSuccess();
"""


@pytest.fixture
def web():
    return copy.deepcopy(WEB)


@pytest.fixture
def server():
    return copy.deepcopy(SERVER)


def tags(export):
    return export["containerVersion"]["tag"]


def tag(export, name):
    return next(each for each in tags(export) if each["name"] == name)


def rules(export, spec=None, severity="error"):
    return [finding.rule for finding in audit(export, spec) if finding.severity == severity]


def without(tag, *keys):
    tag["parameter"] = [each for each in tag["parameter"] if each["key"] not in keys]


def set_parameter(item, key, value):
    next(each for each in item["parameter"] if each["key"] == key)["value"] = value


def another(export, of, **changes):
    """A copy of a tag under another id and name."""
    made = copy.deepcopy(tag(export, of)) | {"tagId": "9001", "name": f"{of} copy"} | changes
    tags(export).append(made)
    return made


def gallery_tag(export, **parameters):
    """A Meta tag made from a template of the gallery."""
    export["containerVersion"]["customTemplate"].append(
        {"templateId": "950", "containerId": "1", "name": "Facebook Pixel", "templateData": TEMPLATE}
    )
    tags(export).append(
        {
            "tagId": "951", "name": "Pixel by template", "type": "cvt_1_950", "firingTriggerId": [ALL_PAGES],
            "parameter": [text(key, value) for key, value in parameters.items()], "consentSettings": consent("ad_storage"),
        }
    )  # fmt: skip


def test_the_kit_s_own_containers_pass(web, server):
    assert audit(web, SPEC) == []
    assert audit(server, SPEC) == []
    assert counts(web) == {"tags": 29, "paused": 0, "triggers": 11, "variables": 27, "templates": 1}


BREAKS = {
    "missing-tag": lambda e: tag(e, "CTX - Google tag - GA4").update(paused=True),
    "missing-event": lambda e: tags(e).remove(tag(e, "CTX - GA4 - purchase")),
    "duplicate-tag": lambda e: another(e, "CTX - GA4 - purchase"),
    "missing-order-id": lambda e: without(tag(e, "CTX - Google Ads - purchase"), "orderId"),
    "missing-event-id": lambda e: gallery_tag(e, pixelId="123456789012345", eventName="Lead"),
    "pixel-event-id": lambda e: set_parameter(
        tag(e, "CTX - Meta - Purchase"), "html", "<script>fbq('track', 'Purchase', {value: 1});</script>"
    ),
    "consent-missing": lambda e: tag(e, "CTX - Meta - base").update(consentSettings={"consentStatus": "NOT_SET"}),
    "unresolved-variable": lambda e: e["containerVersion"]["variable"].pop(),
    "unresolved-trigger": lambda e: e["containerVersion"].update(trigger=[]),
    "pii-parameter": lambda e: tag(e, "CTX - GA4 - purchase")["parameter"].append(
        {"type": "LIST", "key": "eventSettingsTable", "list": [
            {"type": "MAP", "map": [text("parameter", "ph"), text("parameterValue", "{{CTX - dl user_data.phone_number}}")]}
        ]}
    ),
    "shape": lambda e: without(tag(e, "CTX - GA4 - purchase"), "eventName"),
}  # fmt: skip


@pytest.mark.parametrize("rule", BREAKS)
def test_each_flaw_is_an_error(web, rule):
    BREAKS[rule](web)
    assert rule in rules(web, SPEC)
    for finding in audit(web, SPEC):
        assert finding.message.endswith(".")


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("paused-tag", lambda e: tag(e, "CTX - GA4 - view_cart").update(paused=True)),
        ("missing-event", lambda e: tags(e).remove(tag(e, "CTX - GA4 - add_to_cart"))),
        ("missing-event", lambda e: tags(e).remove(tag(e, "CTX - Meta - Purchase"))),
        ("missing-items", lambda e: set_parameter(tag(e, "CTX - GA4 - purchase"), "sendEcommerceData", "false")),
        ("missing-value", lambda e: without(tag(e, "CTX - Google Ads - purchase"), "conversionValue")),
    ],
)
def test_what_may_be_meant_is_a_warning(web, rule, change):
    change(web)
    assert rule in rules(web, SPEC, "warning")
    assert rule not in rules(web, SPEC)


def test_copies_that_fire_at_other_moments_or_are_paused_count_once(web):
    another(web, "CTX - GA4 - purchase", paused=True)
    assert "duplicate-tag" not in rules(web)
    tags(web).pop()
    another(web, "CTX - GA4 - purchase", firingTriggerId=[tag(web, "CTX - GA4 - refund")["firingTriggerId"][0]])
    assert "duplicate-tag" not in rules(web)


def test_the_same_pixel_started_twice_is_a_duplicate(web):
    html = "<script>fbq('init', '123456789012345'); fbq('track', 'PageView', {}, {eventID: 'x'});</script>"
    another(web, "CTX - Meta - base", name="Old pixel")
    set_parameter(tag(web, "Old pixel"), "html", html)
    (found,) = [each for each in audit(web) if each.rule == "duplicate-tag"]
    assert found.element == "tag Old pixel"
    assert "Meta pixel 123456789012345" in found.message


def test_ids_of_another_account_are_found_through_their_variables(web):
    for variable in web["containerVersion"]["variable"]:
        if variable["name"] == "CTX - GA4 measurement id":
            set_parameter(variable, "value", "G-ZZZ999ZZZ9")
        if variable["name"] == "CTX - Meta pixel id":
            set_parameter(variable, "value", "999999999999999")
        if variable["name"] == "CTX - Google Ads conversion id":
            set_parameter(variable, "value", "555555555")
    found = [finding for finding in audit(web, SPEC) if finding.rule == "other-id"]
    assert found[0].element == "tag CTX - Google tag - GA4 and 9 more", "one id, one finding"
    said = " ".join(each.message for each in found)
    assert "G-ZZZ999ZZZ9 is not the client's G-ABC123DEF4" in said
    assert "555555555" in said
    assert "other-id" not in rules(web), "without a client nobody can say whose ids they are"


def test_a_container_that_passes_every_event_on_lacks_none(web):
    web["containerVersion"]["tag"] = [each for each in tags(web) if each["type"] != "gaawe"]
    assert "missing-event" in rules(web)
    tags(web).append(
        {
            "tagId": "960", "name": "GA4 - all", "type": "gaawe", "firingTriggerId": [ALL_PAGES],
            "parameter": [text("eventName", "{{Event}}"), text("measurementIdOverride", "G-ABC123DEF4"), flag("sendEcommerceData", True)],
            "consentSettings": consent(),
        }
    )  # fmt: skip
    assert "missing-event" not in rules(web)


def test_what_only_an_import_refuses_is_a_note_about_a_container_in_use(web):
    tag(web, "CTX - Conversion linker")["name"] = "GA4: linker & more"
    web["containerVersion"]["builtInVariable"].append({"type": "ADVERTISER_ID", "name": "Advertiser ID"})
    tag(web, "CTX - GA4 - purchase")["firingTriggerId"].append("2147479999")
    assert rules(web, SPEC) == []
    assert {"name-characters", "unknown-builtin", "reserved-trigger"} <= set(rules(web, SPEC, "info"))


SERVER_BREAKS = {
    "missing-client": lambda e: e["containerVersion"].update(client=[]),
    "missing-tag": lambda e: tags(e).remove(tag(e, "CTX - GA4 - forward")),
    "shared-id": lambda e: tag(e, "CTX - GA4 - forward").update(tagId=e["containerVersion"]["trigger"][0]["triggerId"]),
    "id-prefix": lambda e: set_parameter(
        next(v for v in e["containerVersion"]["variable"] if v["name"] == "CTX - Google Ads conversion id"), "value", "AW-123456789"
    ),
    "duplicate-tag": lambda e: another(e, "CTX - Google Ads - purchase"),
}  # fmt: skip


@pytest.mark.parametrize("rule", SERVER_BREAKS)
def test_a_server_container_has_flaws_of_its_own(server, rule):
    SERVER_BREAKS[rule](server)
    assert rule in rules(server, SPEC)


# Files


def refused(content, says):
    from pathlib import Path

    with pytest.raises(UsageError, match=says) as caught:
        parse(content, Path("export.json"))
    assert caught.value.code == "CTX-3401"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b'{"exportFormatVersion": 2,', "is not JSON"),
        (b"[1, 2]", "no container export"),
        (b'{"exportFormatVersion": 1, "containerVersion": {}}', "no container export"),
        (b'{"exportFormatVersion": 2, "containerVersion": []}', "no container export"),
        (b'{"exportFormatVersion": 2, "containerVersion": {"tag": {}}}', "tag that is no list"),
        (b'{"exportFormatVersion": 2, "containerVersion": {"tag": [1]}}', "tag that is no list"),
        (b'{"exportFormatVersion": 2, "containerVersion": {"tag": [], "x": NaN}}', "is not JSON"),
        (b"[" * 200_000, "nested deeper"),
        (b'{"exportFormatVersion": 2, "containerVersion": {"x": ' + b"[" * 90 + b"]" * 90 + b"}}", "nested deeper"),
        (b"PK\x03\x04", "zip"),
        (b'{"exportFormatVersion": 2, "containerVersion": {"tag": [' + b"{}," * 20_001 + b"{}]}}", "more than 20000"),
    ],
)
def test_a_file_that_is_no_export_is_told_what_it_is(content, says):
    refused(content, says)


def test_a_byte_order_mark_is_no_reason_to_refuse(tmp_path):
    path = tmp_path / "export.json"
    path.write_bytes(b"\xef\xbb\xbf" + KIT["container.json"])
    assert audit(read_export(path), SPEC) == []


def test_a_folder_a_missing_file_a_zip_and_a_giant_are_refused(tmp_path):
    giant = tmp_path / "giant.json"
    with giant.open("wb") as handle:
        handle.truncate(LARGEST + 1)
    zipped = tmp_path / "kit.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("container.json", KIT["container.json"])
    for path, says in (
        (tmp_path, "is not a file"),
        (tmp_path / "no.json", "is not a file"),
        (giant, "larger"),
        (zipped, "zip"),
    ):
        with pytest.raises(UsageError, match=says):
            read_export(path)


def test_thousands_of_twins_are_named_one_by_one(web):
    template = web["containerVersion"]["customTemplate"][0]
    for number in range(3000):
        another(web, "CTX - Meta - Purchase", tagId=str(10_000 + number), name=f"Tag {number}")
        web["containerVersion"]["customTemplate"].append(
            template | {"templateId": str(20_000 + number), "name": f"T {number}"}
        )
    assert rules(web, SPEC).count("duplicate-tag") == 3000


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "key", "value", "list", "map", "name"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_an_element_holds_the_audit_ends_with_findings(data):
    export = copy.deepcopy(data.draw(st.sampled_from([WEB, SERVER])))
    kind = data.draw(st.sampled_from(["tag", "trigger", "variable", "customTemplate", "client"]))
    items = export["containerVersion"].get(kind) or [{}]
    item = data.draw(st.sampled_from(items))
    item[data.draw(st.sampled_from(sorted(item) or ["x"]))] = data.draw(JUNK)
    assert isinstance(audit(export, SPEC), list)
