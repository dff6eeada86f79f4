"""What a client changed: Tag Manager's own renumbering is no change, and every other one is named."""

import copy
import json

import pytest

from cortex.handoff.compare import Change, compare, context, of_the_kit
from cortex.handoff.elements import text
from cortex.handoff.kit import KitSpec, build

OURS = json.loads(
    build(
        KitSpec(
            code="xyz",
            client="x",
            ga4_measurement_id="G-ABC123DEF4",
            google_ads_conversion_id="AW-123456789",
            google_ads_conversion_label="AbC-D_efGh12",
            meta_pixel_id="123456789012345",
            server=True,
        )
    )["container.json"]
)


def as_tag_manager_returns(ours):
    """The same container after an import: other ids, other accounts, fingerprints, order, and defaults written out."""
    theirs = copy.deepcopy(ours)
    version = theirs["containerVersion"]
    renumbered = {"2147479553": "2147479553", "2147479572": "2147479572", "2147479573": "2147479573"}
    for at, (kind, key) in enumerate(
        (
            ("trigger", "triggerId"),
            ("tag", "tagId"),
            ("variable", "variableId"),
            ("folder", "folderId"),
            ("customTemplate", "templateId"),
        )
    ):
        for number, item in enumerate(version[kind]):
            fresh = str(5000 + 100 * at + number)
            if kind == "trigger":
                renumbered[item["triggerId"]] = fresh
            if kind == "customTemplate":
                old = f"cvt_{item['containerId']}_{item['templateId']}"
                for tag in version["tag"]:
                    if tag["type"] == old:
                        tag["type"] = f"cvt_777_{fresh}"
            item |= {
                key: fresh,
                "accountId": "42",
                "containerId": "777",
                "fingerprint": f"17{number}",
                "tagManagerUrl": "https://x",
            }
    for tag in version["tag"]:
        tag["firingTriggerId"] = [renumbered[each] for each in tag["firingTriggerId"]]
        tag["parentFolderId"] = "1"
        tag["parameter"].append({"type": "BOOLEAN", "key": "anOptionWeNeverNamed", "value": "false"})
        tag["parameter"].reverse()
    version["tag"].reverse()
    theirs["exportTime"] = "2026-11-26 10:00:00"
    return theirs


@pytest.fixture
def theirs():
    return as_tag_manager_returns(OURS)


def tag(export, name):
    return next(each for each in export["containerVersion"]["tag"] if each["name"] == name)


def test_an_import_and_an_export_change_nothing(theirs):
    assert theirs["containerVersion"] != OURS["containerVersion"]
    assert compare(OURS, theirs) == []
    assert compare(OURS, OURS) == []


def test_a_paused_tag_and_another_id_are_named_with_both_values(theirs):
    tag(theirs, "CTX - Meta - Purchase")["paused"] = True
    for variable in theirs["containerVersion"]["variable"]:
        if variable["name"] == "CTX - Meta pixel id":
            variable["parameter"] = [text("value", "999")]
    one, two = compare(OURS, theirs)
    assert (one.state, one.name, one.fields) == ("changed", "CTX - Meta - Purchase", [("paused", "false", "true")])
    assert (two.kind, two.fields) == ("variable", [("value", "123456789012345", "999")])


def test_an_option_switched_on_or_off_is_a_change(theirs):
    parameters = tag(theirs, "CTX - GA4 - purchase")["parameter"]
    for each in parameters:
        if each["key"] in {"sendEcommerceData", "anOptionWeNeverNamed"}:
            each["value"] = "false" if each["key"] == "sendEcommerceData" else "true"
    (found,) = compare(OURS, theirs)
    assert found.fields == [("anOptionWeNeverNamed", "", "true"), ("sendEcommerceData", "true", "")]


def test_another_trigger_is_named_by_its_name(theirs):
    tag(theirs, "CTX - GA4 - purchase")["firingTriggerId"] = ["2147479553"]
    (found,) = compare(OURS, theirs)
    assert found.fields == [("firingTriggers", '["CTX - purchase"]', '["All Pages"]')]


def test_consent_taken_off_a_pixel_is_seen(theirs):
    tag(theirs, "CTX - Meta - Purchase")["consentSettings"] = {"consentStatus": "NOT_SET"}
    (found,) = compare(OURS, theirs)
    assert any("consentSettings" in where for where, _, _ in found.fields)


def test_what_was_removed_renamed_and_added(theirs):
    version = theirs["containerVersion"]
    version["tag"] = [each for each in version["tag"] if each["name"] != "CTX - GA4 - refund"]
    tag(theirs, "CTX - GA4 - view_cart")["name"] = "GA4 view cart (ours)"
    version["tag"].append({"tagId": "1", "name": "Chat", "type": "html", "parameter": [text("html", "<b>hi</b>")]})
    found = compare(OURS, theirs)
    assert [(each.state, each.name) for each in found] == [
        ("missing", "CTX - GA4 - refund"),
        ("renamed", "CTX - GA4 - view_cart"),
        ("added", "Chat"),
    ]
    assert found[1].fields == [("name", "CTX - GA4 - view_cart", "GA4 view cart (ours)")]
    assert [of_the_kit(each) for each in found] == [True, True, False]


def test_code_that_was_edited_is_a_change_and_white_space_at_its_ends_is_none(theirs):
    item = tag(theirs, "CTX - Meta - Purchase")
    html = next(each for each in item["parameter"] if each["key"] == "html")
    html["value"] = html["value"].replace("\n", "\r\n") + "\n"
    assert compare(OURS, theirs) == []
    html["value"] = html["value"].replace("eventID", "eventId")
    assert [each.name for each in compare(OURS, theirs)] == ["CTX - Meta - Purchase"]


def test_the_head_of_a_template_may_change_and_its_code_may_not(theirs):
    (template,) = theirs["containerVersion"]["customTemplate"]
    template["templateData"] = template["templateData"].replace('"version": 1', '"version": 2')
    assert compare(OURS, theirs) == []
    template["templateData"] = template["templateData"].replace("ad_storage: 'denied'", "ad_storage: 'granted'")
    assert [(each.state, each.kind) for each in compare(OURS, theirs)] == [("changed", "template")]


def test_an_empty_container_lacks_everything():
    empty = {"exportFormatVersion": 2, "containerVersion": {"container": {"usageContext": ["WEB"]}}}
    found = compare(OURS, empty)
    assert {each.state for each in found} == {"missing"}
    assert all(isinstance(each, Change) for each in found)
    assert context(empty) == "WEB"
