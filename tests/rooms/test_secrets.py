"""Credentials: where they are found, that they are never shown, and what every text is cleaned of."""

from __future__ import annotations

import json
import pickle
import stat
import threading
import time
import timeit
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex.errors import CredentialError
from cortex.secrets import MASK, REDACTOR, SHORTEST_KEY, Redactor, Secret, Vault, read_dotenv

CANARY = "canary-7f3a-secret-value"


def vault(folder: Path, dotenv: str = "", code: str = "xyz", **environment: str) -> Vault:
    if dotenv:
        (folder / ".env").write_text(dotenv, encoding="utf-8")
    return Vault(code, folder, environment)


# Where credentials come from


def test_the_clients_own_wins_over_the_agencys_and_the_environment_over_dotenv(tmp_path: Path) -> None:
    own, agency = "CORTEX_XYZ_META_TOKEN", "CORTEX_META_TOKEN"
    dotenv = f"{own}=own-dotenv\n{agency}=agency-dotenv\n"
    environment = {own: "own-environment", agency: "agency-environment"}
    order = [
        (vault(tmp_path, dotenv, **environment), "own-environment", f"{own} in environment"),
        (vault(tmp_path, dotenv, CORTEX_META_TOKEN="agency-environment"), "own-dotenv", f"{own} in .env"),
        (
            vault(tmp_path, f"{agency}=b", CORTEX_META_TOKEN="agency-environment"),
            "agency-environment",
            f"{agency} in environment",
        ),
        (vault(tmp_path, f"{agency}=agency-dotenv"), "agency-dotenv", f"{agency} in .env"),
    ]
    for found, value, source in order:
        secret = found.get("META_TOKEN")
        assert (secret.reveal(), secret.source) == (value, source)


def test_two_clients_have_two_tokens(tmp_path: Path) -> None:
    environment = {"CORTEX_ABC_META_TOKEN": "token-of-abc", "CORTEX_XYZ_META_TOKEN": "token-of-xyz"}
    assert vault(tmp_path, code="abc", **environment).get("META_TOKEN").reveal() == "token-of-abc"
    assert vault(tmp_path, code="xyz", **environment).get("META_TOKEN").reveal() == "token-of-xyz"
    assert vault(tmp_path, code="other", **environment).find("META_TOKEN") is None


def test_a_fallback_is_looked_for_after_every_place_of_the_first_name(tmp_path: Path) -> None:
    found = vault(tmp_path, CORTEX_META_TOKEN="general")
    assert found.get("META_CAPI_TOKEN", "META_TOKEN").reveal() == "general"
    found = vault(tmp_path, CORTEX_META_TOKEN="general", CORTEX_XYZ_META_CAPI_TOKEN="special")
    assert found.get("META_CAPI_TOKEN", "META_TOKEN").reveal() == "special"


def test_a_variable_may_name_a_file(tmp_path: Path) -> None:
    (tmp_path / "google.json").write_text('\ufeff{"type": "service_account"}\n', encoding="utf-8")
    relative = vault(tmp_path, CORTEX_XYZ_GOOGLE_CREDENTIALS_FILE="google.json").get("GOOGLE_CREDENTIALS")
    assert relative.reveal() == '{"type": "service_account"}'
    absolute = vault(tmp_path, f"CORTEX_GOOGLE_CREDENTIALS_FILE={tmp_path / 'google.json'}").get("GOOGLE_CREDENTIALS")
    assert absolute.reveal() == relative.reveal()
    assert absolute.source == "CORTEX_GOOGLE_CREDENTIALS_FILE in .env"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe\x00"])
def test_a_file_that_gives_nothing_is_told_by_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(CredentialError) as caught:
        vault(tmp_path, CORTEX_XYZ_META_TOKEN_FILE="token").get("META_TOKEN")
    assert caught.value.code == "CTX-4002"
    assert str(tmp_path / "token") in caught.value.message
    assert caught.value.__cause__ is None


def test_a_missing_credential_lists_every_name_that_was_tried(tmp_path: Path) -> None:
    with pytest.raises(CredentialError) as caught:
        vault(tmp_path).get("META_CAPI_TOKEN", "META_TOKEN")
    assert (caught.value.code, caught.value.exit_code) == ("CTX-4001", 4)
    for name in ("CORTEX_XYZ_META_CAPI_TOKEN", "CORTEX_META_CAPI_TOKEN", "CORTEX_XYZ_META_TOKEN", "CORTEX_META_TOKEN"):
        assert name in caught.value.message


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_variable_is_not_set(tmp_path: Path, value: str) -> None:
    assert (
        vault(tmp_path, "CORTEX_XYZ_META_TOKEN=from-dotenv", CORTEX_XYZ_META_TOKEN=value).get("META_TOKEN").reveal()
        == "from-dotenv"
    )


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("export NAME=value", "value"),
        ("  NAME = value  ", "value"),
        ('NAME="two words"', "two words"),
        ("NAME='two words'", "two words"),
        ('NAME="value" # a comment', "value"),
        ("NAME='value' # a comment", "value"),
        ("NAME=value # a comment", "value"),
        ("NAME=val#ue", "val#ue"),
        ("NAME='va # lue'", "va # lue"),
        ('NAME="va\\"l\\\\ue"', 'va"l\\ue'),
        ('NAME=\'{"a": "b\\n"}\'', '{"a": "b\\n"}'),
        ("NAME=", ""),
        ("NAME= # nothing", ""),
        ("NAME=a=b==", "a=b=="),
        ("\ufeffNAME=value", "value"),
        ("NAME=value\r", "value"),
    ],
)
def test_dotenv_lines_are_read_as_a_shell_would(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ".env").write_text(line + "\n", encoding="utf-8")
    assert read_dotenv(tmp_path / ".env") == {"NAME": value}


@pytest.mark.parametrize("line", ["# NAME=value", "NAME", "=value", "A-B=c", "1A=b", ""])
def test_other_lines_of_dotenv_are_passed_over(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line + "\n", encoding="utf-8")
    assert read_dotenv(tmp_path / ".env") == {}


def test_a_dotenv_that_cannot_be_read_is_told_without_its_content(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(f"CORTEX_TOKEN={CANARY}\xff".encode("latin-1"))
    with pytest.raises(CredentialError) as caught:
        read_dotenv(tmp_path / ".env")
    assert caught.value.code == "CTX-4005"
    assert CANARY not in repr(caught.value.__dict__)
    assert caught.value.__cause__ is None


def test_a_value_of_several_lines_is_told_and_not_cut(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"OTHER='x\ny'\nCORTEX_GOOGLE_CREDENTIALS='{{\n  \"{CANARY}\": 1\n}}'\n")
    with pytest.raises(CredentialError) as caught:
        read_dotenv(tmp_path / ".env")
    assert "CORTEX_GOOGLE_CREDENTIALS_FILE" in caught.value.fix
    assert ".env:3 " in caught.value.message
    assert CANARY not in str(caught.value)


# The identity key


def test_an_identity_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    with pytest.raises(CredentialError) as caught:
        vault(tmp_path).identity_key()
    assert caught.value.code == "CTX-4003"
    assert not (tmp_path / ".cortex").exists()
    key = vault(tmp_path).identity_key(create=True)
    file = tmp_path / ".cortex" / "keys" / "xyz.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(key) >= SHORTEST_KEY
    assert vault(tmp_path).identity_key() == vault(tmp_path).identity_key(create=True) == key
    assert [path.name for path in file.parent.iterdir()] == ["xyz.key"]


def test_two_clients_never_have_one_key(tmp_path: Path) -> None:
    shared = "s" * 40
    environment = {"CORTEX_IDENTITY_KEY": shared}
    keys = {vault(tmp_path, code=code, **environment).identity_key(create=True) for code in ("abc", "xyz")}
    assert len(keys) == 2
    assert shared.encode() not in keys


def test_a_key_may_come_from_the_environment(tmp_path: Path) -> None:
    assert vault(tmp_path, CORTEX_XYZ_IDENTITY_KEY="k" * 32).identity_key() == b"k" * 32
    assert not (tmp_path / ".cortex").exists()


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialError) as caught:
        vault(tmp_path, CORTEX_XYZ_IDENTITY_KEY="short-canary").identity_key(create=True)
    assert caught.value.code == "CTX-4006"
    assert "canary" not in str(caught.value)


def test_an_empty_key_file_is_never_a_key(tmp_path: Path) -> None:
    file = tmp_path / ".cortex" / "keys" / "xyz.key"
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(CredentialError):
        vault(tmp_path).identity_key(create=True)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".cortex").write_text("a file where the folder should be")
    with pytest.raises(CredentialError) as caught:
        vault(tmp_path).identity_key(create=True)
    assert caught.value.code == "CTX-4007"


def test_of_many_that_start_at_once_one_makes_the_key_and_all_have_it(tmp_path: Path) -> None:
    for attempt in range(20):
        root = tmp_path / str(attempt)
        root.mkdir()
        start = threading.Barrier(8)

        def ask(root: Path = root, start: threading.Barrier = start) -> bytes:
            start.wait()
            return vault(root).identity_key(create=True)

        with ThreadPoolExecutor(8) as pool:
            keys = {answer.result() for answer in [pool.submit(ask) for _ in range(8)]}
        assert len(keys) == 1
        assert min(map(len, keys)) >= SHORTEST_KEY
        assert [path.name for path in (root / ".cortex" / "keys").iterdir()] == ["xyz.key"]


# Never shown


def test_a_secret_shows_itself_only_when_asked_by_name() -> None:
    secret = Secret(CANARY, "CORTEX_XYZ_META_TOKEN in .env")
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{secret!r:>80}"):
        assert CANARY not in shown
        assert "CORTEX_XYZ_META_TOKEN" in shown
    assert secret.reveal() == CANARY
    assert not hasattr(secret, "__dict__")


def test_a_secret_does_not_travel() -> None:
    with pytest.raises(TypeError, match="does not travel"):
        pickle.dumps(Secret(CANARY, "x"))


def test_a_secret_that_was_read_is_masked_from_then_on(tmp_path: Path) -> None:
    value = "masked-from-then-on-91"
    vault(tmp_path, CORTEX_XYZ_META_TOKEN=value).get("META_TOKEN")
    assert REDACTOR.clean(f"GET /?t={value} failed") == f"GET /?t={MASK} failed"


def test_a_secret_is_masked_in_the_forms_it_takes() -> None:
    redactor = Redactor()
    redactor.remember('pass/word+"1"=')
    for shown in ('x pass/word+"1"= y', 'x pass/word+\\"1\\"= y', "x pass%2Fword%2B%221%22%3D y"):
        assert redactor.clean(shown) == f"x {MASK} y"


def test_a_longer_secret_leaves_no_tail_behind_a_shorter_one() -> None:
    redactor = Redactor()
    for value in ("abcdefgh", "abcdefgh-the-rest"):
        redactor.remember(value)
    assert redactor.clean("abcdefgh-the-rest abcdefgh") == f"{MASK} {MASK}"


def test_the_secrets_inside_a_credential_are_secrets_too() -> None:
    redactor = Redactor()
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA"
    key = f"-----BEGIN PRIVATE KEY-----\n{body}\nshort\n-----END PRIVATE KEY-----\n"
    redactor.remember(
        json.dumps({"client_email": "x@example.com", "private_key": key, "refresh_token": "1//refresh-me"})
    )
    for shown in (key, json.dumps(key), body, "1//refresh-me", "1%2F%2Frefresh-me"):
        cleaned = redactor.clean(f"oops {shown} oops")
        assert body not in cleaned
        assert "refresh-me" not in cleaned


def test_the_password_of_a_database_address_is_a_secret() -> None:
    redactor = Redactor()
    redactor.remember("mysql+pymysql://cortex:p%40ss-w0rd-long@db:3306/cortex_xyz")
    assert redactor.clean("Access denied, password p@ss-w0rd-long") == f"Access denied, password {MASK}"
    assert "w0rd" not in redactor.clean("using p%40ss-w0rd-long")


@pytest.mark.parametrize(
    "identity",
    [
        "ana.souza@example.com",
        "Ana.Souza+loja@sub.example.com.br",
        "joão.conceição@exemplo.example",
        "ana%40example.com",
        "o'neil@example.com",
        "123.456.789-09",
        "52998224725",
        "529982247-25",
        "(11) 98765-4321",
        "11987654321",
        "+55 11 98765-4321",
        "5511987654321",
        "Bearer EAABsbCS1234567890",
        "bearer abcdefgh.ijkl",
    ],
)
@pytest.mark.parametrize("around", ["{}", "x {} y", '{{"k": "{}"}}', "<{}>", "[{}]", "'{}'", "a,{},b", "({})"])
def test_what_looks_like_a_person_or_a_token_is_masked(identity: str, around: str) -> None:
    cleaned = Redactor().clean(around.format(identity))
    assert MASK in cleaned
    secret = identity.partition(" ")[2] if identity.lower().startswith("bearer") else identity
    assert secret not in cleaned
    assert not any(part in cleaned for part in ("souza", "Souza", "joão", "987654", "98765", "529982"))


@pytest.mark.parametrize(
    "name", ["access_token", "refresh_token", "client_secret", "appsecret_proof", "api_secret", "password"]
)
def test_tokens_in_an_address_are_masked(name: str) -> None:
    assert (
        Redactor().clean(f"GET https://x.example/a?{name}=s3cr3t&b=1 HTTP/1.1")
        == f"GET https://x.example/a?{name}={MASK}&b=1 HTTP/1.1"
    )


@pytest.mark.parametrize(
    "text",
    [
        "412 rows 38 new 61 updated in 2.3 s",
        "order 1234567890 of 2026-11-19",
        "campaign 23851234567890123",
        "act_123456789",
        "customer 1234567890",
        "R$ 1.234.567,89 and 123.45678901 and 0.30000000000000004",
        "tenants/xyz.yaml:14:5 ads.meta.account_id",
        "run 01JD7QK2 at 2026-11-20T19:48:00.899205Z",
        "epoch 1763668080899 took 12345678901 ns",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "10.0.0.1:3306 and @channel and a@b",
    ],
)
def test_figures_and_ids_are_left_alone(text: str) -> None:
    assert Redactor().clean(text) == text


def test_cleaning_takes_time_in_proportion_to_the_text() -> None:
    redactor = Redactor()
    for bait in (
        "a" * 200_000,
        "a." * 100_000,
        "1" * 200_000,
        "a%40" * 50_000,
        "a@" * 100_000,
        "bearer " * 30_000,
        "password=" * 20_000,
    ):
        started = time.process_time()
        redactor.clean(bait)
        assert time.process_time() - started < 1.0, bait[:10]


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)), st.lists, max_leaves=10
    )
)
def test_what_is_not_text_passes(value: object) -> None:
    assert Redactor().clean_any(value) == value


def test_text_is_cleaned_wherever_it_is() -> None:
    redactor = Redactor()
    redactor.remember(CANARY)
    dirty = {CANARY: [{"a": (CANARY, 1)}, "ana@example.com", None]}
    assert redactor.clean_any(dirty) == {MASK: [{"a": [MASK, 1]}, MASK, None]}


def test_a_short_value_is_not_masked_everywhere() -> None:
    redactor = Redactor()
    redactor.remember("123")
    assert redactor.clean("123 orders") == "123 orders"


def test_with_thousands_of_secrets_each_is_still_masked_and_a_line_costs_no_more():
    redactor = Redactor()
    known = [f"{at:04d}-token-of-client" for at in range(600)] + ["0001-token-of-client-and-its-tail"]
    for value in known:
        redactor.remember(value)
    assert redactor.clean(f"a {known[0]} b {known[-1]} c {known[599]}") == f"a {MASK} b {MASK} c {MASK}"
    assert redactor.clean("0601-token-of-client") == "0601-token-of-client"
    assert redactor.clean("short") == "short"
    few = Redactor()
    for value in known[:50]:
        few.remember(value)
    line = "step done, 200 orders, 12 new, 3 updated " * 3

    def cost(of: Redactor) -> float:
        return min(timeit.repeat(lambda: of.clean(line), number=20, repeat=5))

    assert cost(redactor) < 5 * cost(few)
