"""The tracking kit: complete, the same bytes every time, importable as far as rules can tell, and free of people and secrets."""

import csv
import hashlib
import io
import itertools
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from cortex.conversions import outbox
from cortex.errors import ConfigError
from cortex.handoff import sources
from cortex.handoff.elements import ALL_PAGES, CONSENT_INIT
from cortex.handoff.events import BY_GA4, EVENTS, purchase_event_id
from cortex.handoff.export import read
from cortex.handoff.kit import KitSpec, build, write_zip
from cortex.handoff.lint import errors, lint, parameter
from cortex.handoff.places import PLACES
from cortex.handoff.shapes import strangers
from cortex.handoff.spec import PARTS, SCRIPTS
from cortex.workspace import bundled

FULL = KitSpec(
    code="xyz",
    client="Cliente XYZ",
    domain="loja.com.br",
    ga4_measurement_id="G-ABC123DEF4",
    ga4_property_id="123456789",
    google_ads_conversion_id="AW-123456789",
    google_ads_conversion_label="AbC-D_efGh12",
    conversion_action_id="987654321",
    meta_pixel_id="123456789012345",
    tiktok_pixel_id="C4ABCDEFGHIJKLMNOP12",
)
BARE = KitSpec(code="xyz", client="Cliente XYZ", meta_pixel_id="123456789")


def version(kit):
    return json.loads(kit["container.json"])["containerVersion"]


def tag(kit, name):
    return next(each for each in version(kit)["tag"] if each["name"] == name)


def test_the_kit_holds_what_the_handoff_promises():
    assert set(build(FULL)) == {
        "container.json",
        "GUIA_GTM.md",
        "GUIA_META_CAPI.md",
        "GUIA_GOOGLE_EC.md",
        "CHECKLIST.md",
        "TEST_PLAN.md",
        "DATALAYER.md",
        "en/GTM_GUIDE.md",
        "en/META_CAPI_GUIDE.md",
        "en/GOOGLE_EC_GUIDE.md",
        "en/CHECKLIST.md",
        "en/TEST_PLAN.md",
        "en/DATALAYER.md",
        "event_mapping.csv",
        "VARIABLES.csv",
        "SHA256SUMS",
        "datalayer/nuvemshop.js",
        "datalayer/schemas/ctx_consent_update.json",
        *(f"datalayer/schemas/{event.ga4}.json" for event in EVENTS),
    }


def test_every_source_page_is_in_the_kit_or_in_a_file_of_it():
    pages = {path.name for path in bundled("tracking").rglob("*.md")}
    assert len(pages) == 2 * 5  # guide (three rooms, one name), server, contract, checklist, test_plan; two languages


@pytest.mark.parametrize("parts", [c for n in range(5) for c in itertools.combinations(PARTS, n)])
@pytest.mark.parametrize("spec", [FULL, BARE], ids=["full", "bare"])
def test_every_combination_of_parts_is_a_clean_container(spec, parts):
    kit = build(replace(spec, parts=parts))
    assert [finding for finding in kit.findings if finding.rule != "placeholder"] == []


def test_a_complete_client_has_no_finding_and_nothing_pending():
    kit = build(FULL)
    assert kit.findings == []
    assert kit.warnings == []
    assert not any(each.get("paused") for each in version(kit)["tag"])
    assert kit.counts == {"tags": 29, "triggers": 11, "variables": 27}
    assert "0 erros, 0 avisos" in kit["TEST_PLAN.md"].decode()


def test_what_the_client_file_lacks_is_paused_and_said_never_invalid():
    kit = build(BARE)
    assert errors(lint(json.loads(kit["container.json"]))) == []
    paused = {each["name"] for each in version(kit)["tag"] if each.get("paused")}
    assert paused == {
        "CTX - Google tag - GA4",
        "CTX - Google Ads - purchase",
        *(f"CTX - GA4 - {event.ga4}" for event in EVENTS),
    }
    assert len(kit.warnings) == len(kit.pending) == 4
    rows = {row["variable"]: row for row in csv.DictReader(io.StringIO(kit["VARIABLES.csv"].decode()))}
    for item in kit.pending:
        assert item.pt in kit["CHECKLIST.md"].decode()
        assert item.en in kit["en/CHECKLIST.md"].decode()
        assert not item.variable or rows[item.variable]["status"] == "pending"
    assert {row["yaml_key"] for row in rows.values()} - {""} == {
        "tracking.ga4_measurement_id",
        "tracking.google_tag_id",
        "tracking.google_conversion_label",
    }


def test_a_missing_pixel_is_paused_with_all_its_events():
    kit = build(KitSpec(code="xyz", client="x", parts=("meta",)))
    assert {each["name"] for each in version(kit)["tag"] if each.get("paused")} == {
        each["name"] for each in version(kit)["tag"] if " - Meta - " in each["name"]
    }
    assert any("pixel" in text for text in kit.warnings)


def test_tiktok_comes_only_with_its_id():
    assert not any("TikTok" in each["name"] for each in version(build(BARE))["tag"])
    assert sum("TikTok" in each["name"] for each in version(build(FULL))["tag"]) == 6


def test_ids_of_the_rest_stay_when_a_part_is_switched_off():
    whole, smaller = build(FULL), build(replace(FULL, parts=("ga4", "meta")))
    ids = {each["name"]: each["tagId"] for each in version(whole)["tag"]}
    assert all(ids[each["name"]] == each["tagId"] for each in version(smaller)["tag"])


def test_consent_is_denied_before_any_other_tag():
    default = tag(build(FULL), "CTX - Consent - default")
    assert default["firingTriggerId"] == [CONSENT_INIT]
    assert default["type"].startswith("cvt_")
    assert parameter(default, "waitForUpdate") == "500"
    priorities = {each["name"]: int(each.get("priority", {}).get("value", 0)) for each in version(build(FULL))["tag"]}
    assert max(priorities, key=priorities.__getitem__) == "CTX - Consent - default"
    assert tag(build(FULL), "CTX - Consent - update")["priority"] == default["priority"]


def test_every_tag_says_which_consent_it_needs():
    for each in version(build(FULL))["tag"]:
        settings = each["consentSettings"]
        types = [item["value"] for item in settings.get("consentType", {}).get("list", [])]
        if " - Meta - " in each["name"] or " - TikTok - " in each["name"]:
            assert (settings["consentStatus"], types) == (
                "NEEDED",
                ["ad_storage", "ad_user_data", "ad_personalization"],
            )
        elif "capture" in each["name"]:
            assert (settings["consentStatus"], types) == ("NEEDED", ["ad_storage"])
            assert ALL_PAGES in each["firingTriggerId"]
        else:
            assert settings["consentStatus"] == "NOT_NEEDED"


def test_ga4_gets_the_ecommerce_object_and_nothing_else():
    names = []
    for each in version(build(FULL))["tag"]:
        if each["type"] == "gaawe":
            names.append(parameter(each, "eventName"))
            assert parameter(each, "sendEcommerceData") == "true"
            assert {item["key"] for item in each["parameter"]} == {
                "sendEcommerceData",
                "getEcommerceDataFrom",
                "enhancedUserId",
                "eventName",
                "measurementIdOverride",
            }
    assert names == [event.ga4 for event in EVENTS]


def test_the_ads_conversion_carries_order_value_and_consented_identity():
    conversion = tag(build(FULL), "CTX - Google Ads - purchase")
    assert parameter(conversion, "orderId") == "{{CTX - dl ecommerce.transaction_id}}"
    assert parameter(conversion, "conversionValue") == "{{CTX - dl ecommerce.value}}"
    assert parameter(conversion, "currencyCode") == "{{CTX - dl ecommerce.currency}}"
    assert parameter(conversion, "cssProvidedEnhancedConversionValue") == "{{CTX - User-provided data}}"
    identity = next(each for each in version(build(FULL))["variable"] if each["type"] == "awec")
    assert {parameter(identity, key) for key in ("email", "phone_number")} == {
        "{{CTX - Consented email}}",
        "{{CTX - Consented phone}}",
    }
    constants = {each["name"]: parameter(each, "value") for each in version(build(FULL))["variable"]}
    assert constants["CTX - Google Ads conversion id"] == "123456789"


def test_tag_manager_code_is_old_javascript():
    """Custom JavaScript variables are refused when they are newer than ES5; tags run in any visitor's browser."""
    for each in version(build(FULL))["variable"] + version(build(FULL))["tag"]:
        code = parameter(each, "javascript") or parameter(each, "html")
        code = re.sub(r"//[^\n]*", "", code)
        assert not re.search(r"\b(const|let)\s|=>|`|\bclass\s", code), each["name"]


def test_equal_specs_give_equal_bytes_in_any_process(tmp_path):
    program = (
        "import hashlib, sys; from cortex.handoff.kit import KitSpec, build;"
        "print(hashlib.sha256(repr(sorted(build(KitSpec(code='xyz', client='x')).items())).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(seen) == 1
    assert "en/GTM_GUIDE.md" in build(FULL)
    write_zip(build(FULL), tmp_path / "dist" / "a.zip")
    write_zip(dict(reversed(build(FULL).items())), tmp_path / "b.zip")
    assert (tmp_path / "dist" / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_kit_that_did_not_change_leaves_its_file_alone(tmp_path):
    path = tmp_path / "kit.zip"
    write_zip(build(FULL), path)
    before = path.stat().st_mtime_ns
    path.chmod(0o400)
    write_zip(build(FULL), path)
    assert path.stat().st_mtime_ns == before


def test_the_zip_opens_and_its_checksums_hold(tmp_path):
    write_zip(build(FULL).files, tmp_path / "kit.zip")
    with zipfile.ZipFile(tmp_path / "kit.zip") as archive:
        assert archive.testzip() is None
        for line in archive.read("SHA256SUMS").decode().splitlines():
            digest, name = line.split("  ")
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest
        assert len(archive.namelist()) == len(archive.read("SHA256SUMS").splitlines()) + 1


def test_nothing_in_the_kit_is_left_unrendered_or_personal():
    for name, data in build(FULL).items():
        text = data.decode()
        assert "@@" not in text, name
        assert not re.search(r"\$\{\w+\}", text), name
        assert not re.search(r"[\w.]+@[\w-]+\.\w+", text), name
        assert "None" not in text, name


def test_a_client_name_cannot_break_out_of_anything():
    kit = build(KitSpec(code="xyz", client="A & B </script>\n${domain} {{x}}"))
    assert kit["GUIA_GTM.md"].decode().splitlines()[0].startswith("# A & B </script> ${domain} {{x}}")
    assert sources.literal("</script>{{Click URL}}") == '"\\u003c/script>{\\u007bClick URL}}"'
    assert json.loads(sources.literal("</script>{{x}}")) == "</script>{{x}}"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("ga4_measurement_id", "123456789", "measurement id G-"),
        ("ga4_property_id", "G-ABC123", "property number"),
        ("google_ads_conversion_id", "123-456-7890", "AW-"),
        ("meta_pixel_id", "act_123", "digits only"),
        ("domain", "https://loja.com.br", "without https://"),
        ("consent_policy_version", "", "consent_policy_version"),
        ("currency", "reais", "ISO 4217"),
        ("parts", ("ga4", "pinterest"), "pinterest"),
    ],
)
def test_a_malformed_value_is_refused_with_what_it_should_be(field, value, says):
    with pytest.raises(ConfigError, match=says) as refused:
        KitSpec(**{"code": "xyz", "client": "x", field: value})
    assert refused.value.code == "CTX-3301"


def test_a_platform_without_a_script_gets_the_contract_and_a_warning():
    kit = build(KitSpec(code="xyz", client="x", platform="olist"))
    assert not any(name.startswith("datalayer/") and not name.endswith(".json") for name in kit)
    assert any("olist" in text for text in kit.warnings)
    assert "DATALAYER.md" in kit["GUIA_GTM.md"].decode()


@pytest.mark.parametrize("platform", sorted(SCRIPTS))
def test_each_platform_gets_its_scripts_and_is_told_where_attributes_go(platform):
    kit = build(KitSpec(code="xyz", client="x", platform=platform))
    scripts = {name for name in kit if name.startswith("datalayer/") and not name.endswith(".json")}
    assert scripts == {f"datalayer/{name}" for name in SCRIPTS[platform]}
    for page, said in (("GUIA_GTM.md", PLACES[platform][0]), ("en/GTM_GUIDE.md", PLACES[platform][1])):
        assert said in kit[page].decode()
    assert all(name.split("/")[1] in kit["GUIA_GTM.md"].decode() for name in scripts)


@pytest.mark.parametrize(("language", "guide"), [("pt-BR", "GUIA_GTM.md"), ("en", "GTM_GUIDE.md")])
def test_one_language_alone_lies_at_the_root_and_refers_to_nothing_that_is_not_there(language, guide):
    kit = build(replace(FULL, server=True), language)
    assert guide in kit
    assert not any(name.startswith("en/") for name in kit)
    for name in (each for each in kit if each.endswith(".md")):
        text = kit[name].decode()
        mentioned = set(re.findall(r"`((?:en/)?[A-Z_]+\.(?:md|csv)|[a-z_]+\.(?:csv|json))`", text))
        assert mentioned <= set(kit), name
    assert kit.warnings == build(replace(FULL, server=True, language=language)).warnings


def test_pages_in_both_languages_refer_to_nothing_that_is_not_there():
    kit = build(replace(FULL, server=True))
    for name in (each for each in kit if each.endswith(".md")):
        mentioned = set(re.findall(r"`((?:en/)?[A-Z_]+\.(?:md|csv)|[a-z_]+\.(?:csv|json))`", kit[name].decode()))
        assert mentioned <= set(kit), name


def server_version(kit):
    return json.loads(kit["server_container.json"])["containerVersion"]


def test_the_server_container_is_clean_and_counts_with_one_counter():
    kit = build(replace(FULL, server=True, server_url="https://sgtm.loja.com.br"))
    assert kit.findings == []
    made = server_version(kit)
    assert made["container"]["usageContext"] == ["SERVER"]
    ids = [each[f"{kind}Id"] for kind in ("tag", "trigger", "variable", "client", "folder") for each in made[kind]]
    assert len(ids) == len(set(ids)), "exports of server containers count tags, triggers and variables together"
    assert [each["type"] for each in made["client"]] == ["gaaw_client"]
    assert sorted(each["type"] for each in made["tag"]) == ["sgtmadscl", "sgtmadsct", "sgtmgaaw"]
    conversion = next(each for each in made["tag"] if each["type"] == "sgtmadsct")
    constants = {each["name"]: parameter(each, "value") for each in made["variable"] if each["type"] == "c"}
    assert constants["CTX - Google Ads conversion id"] == "123456789", "the server tag takes the number without AW-"
    assert parameter(conversion, "conversionValue") == "{{CTX - ed value}}"
    text = kit["server_container.json"].decode().lower()
    assert "facebook" not in text
    assert "token" not in text


def test_with_a_tagging_server_the_browser_sends_there_and_leaves_the_conversion_to_it():
    kit = build(replace(FULL, server=True, server_url="https://sgtm.loja.com.br"))
    google = tag(kit, "CTX - Google tag - GA4")
    assert "https://sgtm.loja.com.br" in json.dumps(google)
    assert tag(kit, "CTX - Google Ads - purchase")["paused"] is True
    alone = build(replace(FULL, server=True))
    assert "server_container_url" not in json.dumps(tag(alone, "CTX - Google tag - GA4"))
    assert "paused" not in tag(alone, "CTX - Google Ads - purchase")
    assert any(item.yaml_key == "tracking.server_url" for item in alone.pending)
    assert "48 horas" in alone["GUIA_SERVIDOR.md"].decode(), "why Meta is left out is said"


@pytest.mark.parametrize("spec", [FULL, BARE, replace(FULL, server=True, server_url="https://s.loja.com.br")])
def test_no_key_or_parameter_that_no_recorded_export_has(spec):
    kit = build(spec)
    for name in ("container.json", "server_container.json"):
        if name in kit:
            made = json.loads(kit[name])
            assert strangers(made, read(made["containerVersion"])) == []


def test_a_key_nobody_has_seen_is_noticed():
    made = json.loads(build(FULL)["container.json"])
    made["containerVersion"]["tag"][0]["colour"] = "red"
    html = next(each for each in made["containerVersion"]["tag"] if each["type"] == "html")
    html["parameter"].append({"type": "TEMPLATE", "key": "shade", "value": "1"})
    found = strangers(made, read(made["containerVersion"]))
    assert [each.rpartition(": ")[2] for each in found] == ["colour", "parameter shade"]


def test_the_purchase_contract_asks_for_what_the_server_sends():
    for page in ("DATALAYER.md", "en/DATALAYER.md"):
        assert "value: 202.4, shipping: 12.5" in build(FULL)[page].decode()


def test_warnings_speak_the_language_of_the_client():
    assert build(BARE).warnings[0].startswith("Falta")
    assert "missing" in build(KitSpec(code="xyz", client="x", language="en")).warnings[0]


def test_schemas_agree_with_the_one_map_of_events():
    for event in EVENTS:
        schema = json.loads(sources.raw(f"datalayer/schemas/{event.ga4}.json"))
        assert schema["properties"]["event"] == {"const": event.ga4}
        ecommerce = schema["properties"]["ecommerce"]
        assert tuple(ecommerce["required"]) == event.key
        assert ecommerce["additionalProperties"] is False
        assert ecommerce["properties"]["items"]["items"]["additionalProperties"] is False


def test_the_event_mapping_is_the_map_the_tags_use():
    rows = list(csv.DictReader(io.StringIO(build(FULL)["event_mapping.csv"].decode())))
    assert [row["datalayer_and_ga4"] for row in rows] == [event.ga4 for event in EVENTS]
    for row in rows:
        assert row["meta"] == BY_GA4[row["datalayer_and_ga4"]].meta
        for platform in ("meta", "tiktok"):
            if row[platform]:
                name = "Meta" if platform == "meta" else "TikTok"
                code = parameter(tag(build(FULL), f"CTX - {name} - {row[platform]}"), "html")
                assert f'"{row[platform]}"' in code


def test_browser_and_server_give_a_purchase_the_same_id():
    assert purchase_event_id("1046788032") == outbox.event_id("1046788032") == "purchase-1046788032"
    assert "'purchase-' + order" in sources.raw("gtm/var_event_id.js")
