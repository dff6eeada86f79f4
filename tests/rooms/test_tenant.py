"""Client files: what loads, with which defaults, and what is said about what does not."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex import plugins, tenant
from cortex.errors import ConfigError, Problem, UsageError
from cortex.secrets import REDACTOR, Vault
from cortex.tenant import codes, suspicion
from cortex.tenant.document import Scalar, parse
from cortex.tenant.platforms import INSTALLED, ROOMS
from cortex.workspace import Workspace
from tests.rooms.client_files import MINIMAL, STAND_INS, workspace

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / ".." / "shared"

WHOLE = """# Everything on
client:
  name: "Cliente XYZ"
  code: "xyz"
  timezone: "America/Sao_Paulo"
ecommerce:
  platform: nuvemshop
  store_id: 123456
  api_url: https://shop.example.com/
ads:
  meta:
    account_id: act_123456789
  google:
    enabled: true
    customer_id: 123-456-7890
  tiktok:
    enabled: false
analytics:
  ga4:
    property_id: 0123
offline_conversions:
  meta_capi:
    enabled: false
  google_ec:
    conversion_action_id: "5"
privacy:
  consent:
    mode: opt_in
alerts:
  slack_channel: "#cortex-xyz"
  email_recipients: [gestor@cliente.example]
"""


def load(folder: Path, text: str = MINIMAL, code: str = "xyz") -> tenant.Tenant:
    return tenant.load(workspace(folder, text, code), code, platforms=STAND_INS)


def problems(folder: Path, text: str, code: str = "xyz") -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, code)
    assert caught.value.exit_code == 3
    return caught.value.problems


def sayings(folder: Path, text: str) -> list[str]:
    return [str(problem).removeprefix("tenants/xyz.yaml:") for problem in problems(folder, text)]


# What loads


def test_the_numbers_people_were_promised_are_the_defaults(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert (found.etl.lookback_days, found.etl.batch_size) == (7, 1000)
    analytics = found.analytics
    assert (analytics.ltv_window_days, analytics.churn_threshold_days, analytics.rfm_quantiles) == (365, 90, 5)
    assert analytics.models == ("last_click", "first_click", "linear")
    assert analytics.attribution_window_days == 30
    assert (found.alerts.thresholds.cac_increase_pct, found.alerts.thresholds.roas_decrease_pct) == (20, 15)
    assert (found.currency, found.lang, found.active) == ("BRL", "pt-BR", True)
    assert found.quality.max_quarantined_pct == 1.0
    assert found.privacy is None
    assert (found.ads, found.traffic, found.destinations) == ({}, {}, {})


def test_a_whole_file_becomes_a_tenant(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    assert (found.code, found.name, found.timezone) == ("xyz", "Cliente XYZ", ZoneInfo("America/Sao_Paulo"))
    assert found.ecommerce.kind == "nuvemshop"
    assert found.ecommerce.config.model_dump() == {
        "enabled": True,
        "api_url": "https://shop.example.com",
        "store_id": "123456",
    }
    assert list(found.ads) == ["meta", "google"]
    assert found.ads["google"].model_dump()["customer_id"] == "1234567890"
    assert found.privacy is not None
    assert found.privacy.consent is not None
    assert found.privacy.consent.mode == "opt_in"
    assert found.alerts.email_recipients == ("gestor@cliente.example",)
    assert found.path == tmp_path / "tenants" / "xyz.yaml"
    assert found.sha256 == hashlib.sha256(WHOLE.encode()).hexdigest()
    assert found.warnings == ()


def test_what_is_switched_off_cannot_be_reached(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    assert list(found.destinations) == ["google_ec"]
    assert found.disabled == {"ads.tiktok", "offline_conversions.meta_capi"}


def test_a_complete_block_that_is_switched_off_is_off(tmp_path: Path) -> None:
    text = WHOLE.replace("account_id: act_123456789", "account_id: act_123456789\n    enabled: false")
    found = load(tmp_path, text)
    assert list(found.ads) == ["google"]
    assert "ads.meta" in found.disabled
    assert not any(kind == "meta" for _, kind, _ in found.platforms())


def test_ids_are_text_as_they_were_written(tmp_path: Path) -> None:
    assert load(tmp_path, WHOLE).traffic["ga4"].model_dump()["property_id"] == "0123"


def test_a_value_named_once_serves_the_block_that_inherits_it(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    assert found.destinations["google_ec"].model_dump()["customer_id"] == "123-456-7890"
    assert found.sources["offline_conversions.google_ec.customer_id"] == "tenants/xyz.yaml:15 (ads.google.customer_id)"


def test_an_own_value_wins_over_an_inherited_one(tmp_path: Path) -> None:
    text = WHOLE.replace('conversion_action_id: "5"', 'conversion_action_id: "5"\n    customer_id: "42"')
    assert load(tmp_path, text).destinations["google_ec"].model_dump()["customer_id"] == "42"


def test_a_tenant_travels_between_processes(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_tenant_cannot_be_changed(tmp_path: Path) -> None:
    found = load(tmp_path)
    with pytest.raises(AttributeError):
        found.code = "abc"  # type: ignore[misc]


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    text = "\ufeff" + WHOLE.replace("\n", "\r\n")
    assert load(tmp_path, text).sources["ads.meta.account_id"] == "tenants/xyz.yaml:12"


def test_funnel_stages_are_told_by_words_whatever_their_case_and_accents(tmp_path: Path) -> None:
    stages = "funnel_stages:\n  TOFU: [prospecção, topo]\n  BOFU: [remarketing]\n"
    found = load(tmp_path, MINIMAL + stages)
    names = ["[TOPO] Verão", "Prospeccao | SP", "Prospecc\u0327a\u0303o", "RMKT Remarketing topo", "Marca", ""]
    assert [found.funnel_stage(name) for name in names] == ["TOFU", "TOFU", "TOFU", "TOFU", "unknown", "unknown"]
    assert load(tmp_path).funnel_stage("topo") == "unknown"


def test_a_word_between_slashes_is_a_regular_expression(tmp_path: Path) -> None:
    stages = r"""funnel_stages:
  TOFU: ['/^prospec(ção|t)\b/', '/topo$/']
  BOFU: ['/^(rmkt|rt)[ _-]/', '/\S+ @/']
"""
    found = load(tmp_path, MINIMAL + stages)
    names = [
        "PROSPECÇÃO SP",
        "Prospect x",
        "prospects",
        "Verão TOPO",
        "topo verão",
        "RT_carrinho",
        "smart",
        "a @",
        " @",
    ]
    told = ["TOFU", "TOFU", "unknown", "TOFU", "unknown", "BOFU", "unknown", "BOFU", "unknown"]
    assert [found.funnel_stage(name) for name in names] == told
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, MINIMAL + 'funnel_stages:\n  TOFU: ["/(topo/"]\n')
    [problem] = caught.value.problems
    assert problem.key == "funnel_stages.TOFU.0"
    assert problem.text.startswith("is no regular expression")


def test_importing_the_room_imports_no_vendor_sdk() -> None:
    heavy = ("google.ads", "google.analytics", "facebook_business", "sqlalchemy", "polars", "grpc")
    code = f"import sys, cortex.tenant; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The user's own file, with the real adapters


def _installed() -> None:
    wanted = {
        "stores": {"nuvemshop"},
        "ads": {"meta", "google"},
        "traffic": {"ga4"},
        "destinations": {"meta_capi", "google_ec"},
    }
    missing = [f"{room}/{kind}" for room, kinds in wanted.items() for kind in sorted(kinds - set(plugins.kinds(room)))]
    if missing:
        pytest.skip(f"adapters not installed: {', '.join(missing)}")


@pytest.fixture
def own(tmp_path: Path) -> tenant.Tenant:
    _installed()
    file = SHARED / "examples" / "client_config.yaml"
    if not file.is_file():
        pytest.skip("the user's file is not here")
    return tenant.load(workspace(tmp_path, file.read_bytes()), "xyz")


def test_the_users_own_file_loads_as_it_stands(own: tenant.Tenant) -> None:
    assert (own.name, own.code, own.timezone.key) == ("Cliente XYZ", "xyz", "America/Sao_Paulo")
    assert own.ecommerce.kind == "nuvemshop"
    assert own.ecommerce.config.model_dump()["store_id"] == "123456"
    assert own.ecommerce.config.api_url == "https://api.nuvemshop.com.br"
    assert list(own.ads) == ["meta", "google"]
    assert own.ads["meta"].model_dump()["account_id"] == "act_123456789"
    assert own.ads["google"].model_dump()["customer_id"] == "1234567890"
    assert own.disabled == {"ads.tiktok"}
    assert list(own.traffic) == ["ga4"]
    assert list(own.destinations) == ["meta_capi", "google_ec"]
    assert own.alerts.slack_channel == "#cortex-xyz"
    assert own.alerts.email_recipients == ("gestor@cliente.com",)


def test_the_users_own_file_is_warned_that_nothing_leaves_without_a_consent_rule(own: tenant.Tenant) -> None:
    assert len(tenant.warnings(own)) == 1
    assert "privacy.consent: is missing: no conversion leaves" in tenant.warnings(own)[0]


def test_real_adapters_refuse_the_usual_mistakes(tmp_path: Path) -> None:
    _installed()
    text = WHOLE.replace("act_123456789", '"123456789"').replace("property_id: 0123", 'property_id: "G-AB12CD34"')
    text = text.replace("customer_id: 123-456-7890", "customer_id: 123-456")
    with pytest.raises(ConfigError) as caught:
        tenant.load(workspace(tmp_path, text), "xyz")
    said = {problem.key: str(problem) for problem in caught.value.problems}
    assert {"ads.meta.account_id", "ads.google.customer_id", "analytics.ga4.property_id"} <= set(said)
    assert "act_" in said["ads.meta.account_id"]


def test_no_two_credentials_of_any_two_clients_share_a_variable() -> None:
    """CORTEX_<A>_<NAME> is CORTEX_<B>_<OTHER> only if one name ends with the other: A=xyz, B=xyz_meta."""
    names = {"IDENTITY_KEY", "DATABASE_URL"}
    for room in set(ROOMS.values()):
        for kind in plugins.kinds(room):
            names |= {secret.name for secret in INSTALLED.adapter(room, kind).secrets}
    assert [(a, b) for a in names for b in names if a.endswith(f"_{b}")] == []


# What is wrong, and where


def test_every_problem_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    text = """client:
  name: "X"
  code: abc
  timezone: São Paulo
  ltv_window_days: 3
ecommerce:
  platform: nuvenshop
ads:
  meta:
    enabled: no
    account_id: 123
  gogle:
    customer_id: "1"
  google:
  tiktok:
    enabled: false
    advertiser: 1
etl:
  lookback_day: 7
  batch_size: 1.5
analytcs_config:
  rfm_quantiles: 5
alerts:
  email_recipients: gestor@cliente.example
  thresholds:
    cac_increase_pct: 20%
privacy:
  consent: {}
"""
    assert sayings(tmp_path, text) == [
        "3:9 client.code: must be xyz, as the file is called",
        "4:13 client.timezone: is not an IANA time zone. Did you mean America/Sao_Paulo?",
        "5:3 client.ltv_window_days: is not a key of this block. Did you mean analytics_config.ltv_window_days?",
        "7:13 ecommerce.platform: is not available. Did you mean nuvemshop? Available: csv, nuvemshop.",
        "10:14 ads.meta.enabled: must be true or false. Write false.",
        "11:17 ads.meta.account_id: must start with act_",
        "12:3 ads.gogle: is not available. Did you mean google? Available: google, meta.",
        "14:3 ads.google.customer_id: is missing",
        "17:5 ads.tiktok.advertiser: is not a key of this block. Keys: enabled, api_url.",
        "19:3 etl.lookback_day: is not a key of this block. Did you mean lookback_days?",
        "20:15 etl.batch_size: must be a whole number",
        "21:1 analytcs_config: is not a block of a client file. Did you mean analytics_config?",
        "24:21 alerts.email_recipients: must be a list. One line each, starting with `- `.",
        "26:23 alerts.thresholds.cac_increase_pct: must be a number. With a decimal point, without a % sign.",
        "28:3 privacy.consent.mode: is missing",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("currency: real", "client.currency: is not a currency of ISO 4217. Did you mean BRL?"),
        ("currency: brl", "Did you mean BRL?"),
        ("currency: XXZ", "such as BRL"),
        ("lang: pt", "client.lang: must be 'pt-BR', 'en' or 'es'. Did you mean pt-BR?"),
        ("active: sim", "client.active: must be true or false. Write true."),
        ("active: 1", "client.active: must be true or false. Write true."),
        ("active:", "client.active: has no value"),
        ("active: [true]", "client.active: must be true or false"),
    ],
)
def test_a_wrong_client_key_is_explained(tmp_path: Path, line: str, said: str) -> None:
    (told,) = sayings(tmp_path, MINIMAL.replace("  code:", f"  {line}\n  code:"))
    assert told.startswith("3:")
    assert said in told


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Sao Paulo", "America/Sao_Paulo"),
        ("BRT", "America/Sao_Paulo"),
        ("GMT-3", "America/Sao_Paulo"),
        ("america/sao_paulo", "America/Sao_Paulo"),
        ("America/SaoPaulo", "America/Sao_Paulo"),
        ("Manaus", "America/Manaus"),
        ("Belém", "America/Belem"),
        ("right/America/Sao_Paulo", "America/Sao_Paulo"),
        ("../../etc/passwd", ""),
        ("/etc/localtime", ""),
        ("zzzzzz", ""),
    ],
)
def test_a_time_zone_is_checked_and_guessed(tmp_path: Path, name: str, meant: str) -> None:
    (told,) = sayings(tmp_path, MINIMAL.replace("America/Sao_Paulo", json.dumps(name)))
    assert told.startswith("4:13 client.timezone: is not an IANA time zone")
    assert told.endswith(f"Did you mean {meant}?" if meant else "such as America/Sao_Paulo")


def test_a_missing_shop_is_told(tmp_path: Path) -> None:
    text = MINIMAL.partition("ecommerce")[0]
    assert sayings(tmp_path, text) == ["1:1 ecommerce: is missing. Every client has a shop."]


def test_a_shop_cannot_be_switched_off(tmp_path: Path) -> None:
    (told,) = sayings(tmp_path, MINIMAL + "  enabled: false\n")
    assert told.startswith(
        "8:12 ecommerce.enabled: a client cannot be without its shop. To pause the client: client.active"
    )


def test_an_unwritten_block_is_told_at_its_line(tmp_path: Path) -> None:
    (told,) = sayings(tmp_path, MINIMAL + "ads:\n  meta:\n")
    assert told == "9:3 ads.meta.account_id: is missing"


def test_a_platform_that_is_off_needs_nothing_but_still_knows_its_keys(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL + "ads:\n  meta:\n    enabled: false\n").disabled == {"ads.meta"}
    (told,) = sayings(tmp_path, MINIMAL + "ads:\n  meta:\n    enabled: false\n    acount_id: act_1\n")
    assert told == "11:5 ads.meta.acount_id: is not a key of this block. Did you mean account_id?"


def test_a_platform_nobody_announced_is_refused_even_when_off(tmp_path: Path) -> None:
    (told,) = sayings(tmp_path, MINIMAL + "ads:\n  metta:\n    enabled: false\n")
    assert told == "9:3 ads.metta: is not available. Did you mean meta? Available: google, meta."


def test_an_announced_platform_cannot_be_switched_on(tmp_path: Path) -> None:
    (told,) = sayings(tmp_path, MINIMAL + "ads:\n  tiktok:\n    enabled: true\n")
    assert told == "9:3 ads.tiktok: is not available. Available: google, meta."


def test_a_channel_lost_to_a_comment_is_noticed(tmp_path: Path) -> None:
    (told,) = sayings(tmp_path, MINIMAL + "alerts:\n  slack_channel: #vendas\n")
    assert told.endswith('alerts.slack_channel: has no value. Put it in quotes: "#…" (# starts a comment).')


def test_a_comment_after_an_empty_optional_key_is_a_comment(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL + "  api_url:  # the usual one\n").ecommerce.config.api_url is None


def test_what_is_still_to_be_filled_in_is_listed_and_hides_nothing_else(tmp_path: Path) -> None:
    text = MINIMAL.replace('"123456"', '"TODO"').replace("Loja", "TODO").replace("America/Sao_Paulo", "Nowhere")
    assert sayings(tmp_path, text) == [
        "2:9 client.name: is still to be filled in. Replace TODO.",
        "4:13 client.timezone: is not an IANA time zone such as America/Sao_Paulo",
        "7:13 ecommerce.store_id: is still to be filled in. Replace TODO.",
    ]


def test_a_pattern_is_explained_by_what_the_field_is(tmp_path: Path) -> None:
    (told,) = sayings(tmp_path, MINIMAL.replace('"123456"', "loja"))
    assert told == "7:13 ecommerce.store_id: does not have the right form. Number of the shop (^\\d+$)."


def test_an_address_is_checked_and_not_repeated(tmp_path: Path) -> None:
    (told,) = sayings(tmp_path, MINIMAL + "alerts:\n  email_recipients:\n    - ana@example.com\n    - canary.person@\n")
    assert told == "11:7 alerts.email_recipients.1: is not an e-mail address"


def test_models_are_checked_against_those_installed(tmp_path: Path) -> None:
    (told,) = sayings(tmp_path, MINIMAL + "analytics_config:\n  attribution:\n    models: [last_clik]\n")
    assert "is not an attribution model. Did you mean last_click?" in told


def test_conversions_without_a_consent_rule_are_a_warning_not_an_error(tmp_path: Path) -> None:
    found = load(tmp_path, MINIMAL + "offline_conversions:\n  meta_capi:\n    pixel_id: 12345\n")
    (told,) = tenant.warnings(found)
    assert told.startswith("tenants/xyz.yaml:8:1 privacy.consent: is missing: no conversion leaves for meta_capi")
    empty = load(tmp_path, MINIMAL + "offline_conversions:\n  meta_capi:\n    pixel_id: 12345\nprivacy:\n")
    assert len(tenant.warnings(empty)) == 1


# Credentials


@pytest.mark.parametrize(
    ("line", "variable"),
    [
        ("    access_token: whatever-it-is-12", "CORTEX_XYZ_META_TOKEN"),
        ("    senha: abc12345", "CORTEX_XYZ_META_TOKEN"),
        ("    api_key: 123", "CORTEX_XYZ_META_TOKEN"),
        ("    note: EAABwzLixnjYBO1234567890abcdef", "CORTEX_XYZ_META_TOKEN"),
        ("    # old token EAABwzLixnjYBO1234567890abcdef", "CORTEX_XYZ_META_TOKEN"),
        ("    note: shpat_0123456789abcdef0123456789abcdef", "CORTEX_XYZ_SHOPIFY_TOKEN"),
        ("    note: GOCSPX-abcdefghijklmnop", "CORTEX_XYZ_GOOGLE_CREDENTIALS"),
        ("    note: ya29.a0AfB_byC-abcdefghij", "CORTEX_XYZ_GOOGLE_CREDENTIALS"),
        ("    note: '-----BEGIN PRIVATE KEY-----'", "CORTEX_XYZ_GOOGLE_CREDENTIALS"),
        ("    note: https://hooks.slack.com/services/T0/B0/abcdefgh", "CORTEX_XYZ_SLACK_WEBHOOK"),
        ("    api_url: https://ana:p4ssw0rd@example.com", "CORTEX_XYZ_DATABASE_URL"),
        ("    note: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "CORTEX_XYZ_META_TOKEN"),
        ("    note: Zm9vYmFyMTIzNDU2Nzg5MEFCQ0RFRkdISUpLTE1OT1A=", "CORTEX_XYZ_META_TOKEN"),
        ("    EAABwzLixnjYBO1234567890abcdef: 1", "CORTEX_XYZ_META_TOKEN"),
    ],
)
def test_a_credential_is_refused_named_and_never_repeated(tmp_path: Path, line: str, variable: str) -> None:
    text = MINIMAL + "ads:\n  meta:\n    account_id: act_1\n" + line + "\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    error = caught.value
    assert error.code == "CTX-3003"
    assert [problem.line for problem in error.problems] == [11]
    told = f"{error} {error.fix} {' '.join(map(str, error.problems))} {[p.as_dict() for p in error.problems]}"
    assert f"Set {variable} in .env instead" in told
    value = line.partition(": ")[2].strip(" '") or line.strip().partition("token ")[2]
    assert len(value) < 4 or value not in told
    assert "EAAB" not in told


def test_a_credential_that_was_found_is_masked_everywhere_after(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, MINIMAL + "ads:\n  meta:\n    access_token: canary-of-this-test\n")
    assert "canary-of-this-test" not in REDACTOR.clean("boom canary-of-this-test boom")


def test_a_broken_file_is_searched_for_credentials_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, MINIMAL + "\t# EAABwzLixnjYBO1234567890abcdef\n x\n")
    assert caught.value.code == "CTX-3003"
    assert "EAAB" not in str(caught.value.problems[0])


@pytest.mark.parametrize(
    "value",
    [
        "colecao-primavera-verao-2026-lancamentos-femininos-sp",
        "123456789012345678901234567890123456",
        "550e8400-e29b-41d4-a716-446655440000",
        "/srv/exports/ClientesLojaXyz2026/PedidosDiarios2026",
        "Loja das Meninas Moda Feminina e Acessorios 2026 Ltda",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1111",
    ],
)
def test_long_honest_values_are_no_credentials(tmp_path: Path, value: str) -> None:
    text = MINIMAL.replace("nuvemshop", "csv").replace('store_id: "123456"', f"folder: {json.dumps(value)}")
    assert load(tmp_path, text).ecommerce.config.model_dump()["folder"] == value


def test_no_credential_is_written_into_what_is_shipped() -> None:
    """Source, recipes, SQL, kit, client files, pages and scripts. Examples write `user:password` in an address."""
    found = []
    for folder in ("cortex", "pipelines", "sql", "tracking", "tenants", "docs", "scripts"):
        for file in (ROOT / folder).rglob("*"):
            if not file.is_file() or file.suffix in {".pyc", ".woff2", ".png"}:
                continue
            for at, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                found += [
                    f"{file.relative_to(ROOT)}:{at} looks like {what}"
                    for _, text, what, _ in suspicion.shapes(line)
                    if not re.search(
                        r"://\w+:(password|PASSWORD|SENHA|\$password|\{password\})@|://\$user:\$password@", text
                    )
                ]
    assert found == []


# Codes


@pytest.mark.parametrize(
    ("code", "better"),
    [
        ("Loja-XYZ", "loja_xyz"),
        ("3irmaos", "loja_3irmaos"),
        ("Ação & Cia.", "acao_cia"),
        ("x", "loja_x"),
        ("a" * 32, "a" * 31),
        ("all", "loja_all"),
        ("control", "loja_control"),
        ("_example", "loja_example"),
        ("xyz\n", "xyz"),
        ("ｘｙｚ", "xyz"),
        ("../etc/passwd", "etc_passwd"),
        ("..", ""),
        ("", ""),
        ("日本", ""),
    ],
)
def test_a_bad_code_is_refused_before_any_path_is_built(tmp_path: Path, code: str, better: str) -> None:
    with pytest.raises(UsageError) as caught:
        tenant.load(Workspace(tmp_path / "nowhere"), code, platforms=STAND_INS)
    assert (caught.value.code, caught.value.exit_code) == ("CTX-1030", 2)
    assert codes.suggestion(code) == better
    assert better in f"{caught.value.message} {caught.value.fix}"


def test_the_message_for_a_bad_code_is_the_promised_one() -> None:
    with pytest.raises(UsageError) as caught:
        tenant.check_code("Loja-XYZ")
    assert caught.value.message == (
        'Client code "Loja-XYZ" is not valid: use 2–31 lowercase letters, digits or _, a letter first '
        "(it becomes the schema cortex_loja_xyz)."
    )
    assert caught.value.fix == "Try: loja_xyz"


def test_a_terminal_cannot_be_driven_through_a_code() -> None:
    with pytest.raises(UsageError) as caught:
        tenant.check_code("\x1b[31mred\u202e" + "a" * 500)
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_demo_is_the_demos_client() -> None:
    assert tenant.check_code("demo") == "demo"


@given(st.text(max_size=60))
def test_a_suggestion_is_always_valid_or_empty(text: str) -> None:
    better = codes.suggestion(text)
    assert better == "" or codes.check(better) == better


def test_an_unknown_client_is_guessed(tmp_path: Path) -> None:
    place = workspace(tmp_path)
    with pytest.raises(UsageError) as caught:
        tenant.load(place, "xzy", platforms=STAND_INS)
    assert str(caught.value) == 'CTX-1001 Unknown client "xzy". Did you mean xyz? (1 client: cortex tenants list)'


def test_a_file_with_the_other_suffix_is_pointed_out(tmp_path: Path) -> None:
    place = workspace(tmp_path)
    (tmp_path / "tenants" / "abc.yml").write_text(MINIMAL)
    with pytest.raises(UsageError) as caught:
        tenant.load(place, "abc", platforms=STAND_INS)
    assert caught.value.fix == "Rename tenants/abc.yml to tenants/abc.yaml."


# Many clients


def client(code: str, **changes: str) -> str:
    text = MINIMAL.replace("code: xyz", f"code: {code}")
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def test_all_clients_load_in_order_and_paused_ones_are_left_out(tmp_path: Path) -> None:
    workspace(tmp_path, client("zeta"), "zeta")
    workspace(tmp_path, client("alfa"), "alfa")
    place = workspace(tmp_path, client("beta").replace("  code", "  active: false\n  code"), "beta")
    (tmp_path / "tenants" / "_example.yaml").write_text("not: a client")
    assert [each.code for each in tenant.load_all(place, platforms=STAND_INS)] == ["alfa", "zeta"]
    assert [each.code for each in tenant.load_all(place, False, platforms=STAND_INS)] == ["alfa", "beta", "zeta"]


def test_one_broken_file_hides_no_other_client(tmp_path: Path) -> None:
    workspace(tmp_path, client("alfa"), "alfa")
    workspace(tmp_path, "client: [", "beta")
    place = workspace(tmp_path, client("gama"), "Loja-Gama")
    found = list(tenant.load_each(place, platforms=STAND_INS))
    assert [type(each).__name__ for each in found] == ["ConfigError", "Tenant", "ConfigError"]
    with pytest.raises(ConfigError) as caught:
        tenant.load_all(place, platforms=STAND_INS)
    assert [problem.file for problem in caught.value.problems] == ["tenants/Loja-Gama.yaml", "tenants/beta.yaml"]
    assert "Rename it to loja_gama.yaml" in str(caught.value.problems[0])


def test_clients_that_share_a_shop_or_an_account_are_named(tmp_path: Path) -> None:
    workspace(tmp_path, client("alfa") + "ads:\n  google:\n    customer_id: 1-2-3\n    login_customer_id: 9\n", "alfa")
    workspace(tmp_path, client("beta") + "ads:\n  google:\n    customer_id: 123\n    login_customer_id: 9\n", "beta")
    place = workspace(tmp_path, client("gama").replace("123456", "777"), "gama")
    assert tenant.conflicts(tenant.load_all(place, platforms=STAND_INS)) == [
        "alfa and beta have the same ads.google.customer_id (123): the same figures would be counted for each.",
        "alfa and beta have the same ecommerce.nuvemshop.store_id (123456): the same figures would be counted for each.",
    ]


# What is shown back


def test_every_setting_is_shown_with_its_source(tmp_path: Path) -> None:
    rows = {key: (value, source) for key, value, source in tenant.describe(load(tmp_path, WHOLE), platforms=STAND_INS)}
    assert rows["client.timezone"] == ("America/Sao_Paulo", "tenants/xyz.yaml:5")
    assert rows["etl.lookback_days"] == ("7", "default")
    assert rows["analytics_config.churn_threshold_days"] == ("90", "default")
    assert rows["ads.google.customer_id"] == ("1234567890", "tenants/xyz.yaml:15")
    assert rows["ads.tiktok.enabled"] == ("false", "tenants/xyz.yaml:17")
    assert rows["offline_conversions.meta_capi.enabled"] == ("false", "tenants/xyz.yaml:23")
    assert rows["privacy.consent.mode"] == ("opt_in", "tenants/xyz.yaml:28")
    assert rows["alerts.thresholds.cac_increase_pct"] == ("20", "default")
    assert rows["alerts.email_recipients"] == ("gestor@cliente.example", "tenants/xyz.yaml:31")


def test_credentials_are_shown_by_where_they_come_from_alone(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    vault = Vault(
        "xyz", tmp_path, {"CORTEX_XYZ_META_TOKEN": "canary-token-value", "CORTEX_SHOP_TOKEN": "canary-shop-value"}
    )
    rows = {key: (value, source) for key, value, source in tenant.describe(found, vault, platforms=STAND_INS)}
    assert rows["credentials.META_TOKEN"] == ("••••", "CORTEX_XYZ_META_TOKEN in environment")
    assert rows["credentials.SHOP_TOKEN"] == ("••••", "CORTEX_SHOP_TOKEN in environment")
    assert rows["credentials.GOOGLE_CREDENTIALS"] == ("not set", "CORTEX_XYZ_GOOGLE_CREDENTIALS")
    assert "canary" not in str(rows)


def variables(text: str) -> list[str]:
    return [line.partition("=")[0] for line in text.splitlines() if line and not line.startswith("#")]


def test_the_environment_example_names_exactly_what_the_enabled_blocks_need(tmp_path: Path) -> None:
    text = tenant.env_example([load(tmp_path, WHOLE)], platforms=STAND_INS)
    assert variables(text) == [
        "CORTEX_XYZ_SHOP_TOKEN",
        "CORTEX_XYZ_META_TOKEN",
        "CORTEX_XYZ_GOOGLE_CREDENTIALS",
        "CORTEX_XYZ_GOOGLE_DEVELOPER_TOKEN",
        "CORTEX_XYZ_SLACK_WEBHOOK",
    ]
    assert "docs/en/platforms/shop.md" in text
    assert "docs/en/platforms/meta.md" in text
    assert variables(tenant.env_example([])) == []


def test_two_clients_have_two_sets_of_variables(tmp_path: Path) -> None:
    workspace(tmp_path, client("alfa"), "alfa")
    place = workspace(tmp_path, client("beta"), "beta")
    text = tenant.env_example(tenant.load_all(place, platforms=STAND_INS), platforms=STAND_INS)
    assert variables(text) == ["CORTEX_ALFA_SHOP_TOKEN", "CORTEX_BETA_SHOP_TOKEN"]


# YAML without its surprises


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("True", "True"),
        ("0123", "0123"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("+5", "+5"),
        ("9" * 40, "9" * 40),
        ("-7", -7),
        ("0", 0),
        ("2.50", 2.5),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ('"true"', "true"),
        ("'7'", "7"),
        ('""', ""),
    ],
)
def test_only_plain_numbers_true_false_and_null_are_not_text(written: str, meant: object) -> None:
    node = parse(f"key: {written}".encode(), "f").root.get("key")
    assert isinstance(node, Scalar)
    assert node.value == meant
    assert type(node.value) is type(meant)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Cf", "Cn")), max_size=80))
def test_quoted_text_comes_back_as_it_was(text: str) -> None:
    node = parse(f"key: {json.dumps(text, ensure_ascii=False)}".encode(), "f").root.get("key")
    assert isinstance(node, Scalar)
    assert node.value == text
