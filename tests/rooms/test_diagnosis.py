"""What doctor finds on a server: each fault is told with what mends it, and a sound server with nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text

from cortex.warehouse import describe_server, diagnosis
from cortex.warehouse.engine import SQL_MODE


class Said:
    """A server in so many words: what it answers to `SELECT expression`, and to statements that hold a word."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {
            "VERSION()": "11.4.2-MariaDB",
            "@@max_allowed_packet": 16 << 20,
            "@@GLOBAL.local_infile": 1,
            "@@character_set_server": "utf8mb4",
            "@@collation_server": "utf8mb4_unicode_ci",
            "@@GLOBAL.sql_mode": SQL_MODE,
            "@@SESSION.sql_mode": SQL_MODE,
            "@@SESSION.time_zone": "+00:00",
            "@@character_set_connection": "utf8mb4",
        } | {name.replace("__", "."): value for name, value in answers.items()}
        self.cipher = str(answers.get("cipher", ""))

    def execute(self, statement: Any) -> Said:
        self.asked = str(statement).removeprefix("SELECT ")
        return self

    def scalar_one(self) -> Any:
        return self.answers[self.asked]

    def one(self) -> tuple[str, str]:
        return "Ssl_cipher", self.cipher


def found(check: Any, *more: Any, **answers: Any) -> list[tuple[str, ...]]:
    return [one for one in check(Said(**answers), *more) if one[0] == "warning"]


@contextmanager
def admin(url: str) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("10.11.19-MariaDB-0+deb12u1", True), ("10.6.21-MariaDB-log", False), ("11.4.2-MariaDB", True),
        ("5.5.5-10.11.6-MariaDB", True), ("5.5.5-10.5.8-MariaDB-log", False), ("8.0.11", True), ("8.4.3", True),
        ("9.1.0-cloud", True), ("5.7.44-log", False), ("8.0.11-TiDB-v8.5.0", True),
    ],
)  # fmt: skip
def test_versions_below_the_supported_are_told(version: str, *, good: bool) -> None:
    assert diagnosis.supported(version) is good
    assert len(found(diagnosis._version, "db.example:3306", **{"VERSION()": version})) == (not good)


def test_a_sound_server_is_told_no_fault() -> None:
    for check, more in (
        (diagnosis._version, ("h:1",)), (diagnosis._settings, ()), (diagnosis._session, ()),
    ):  # fmt: skip
        assert found(check, *more) == []


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ({"@@GLOBAL.local_infile": 0}, "database loading"),
        ({"@@max_allowed_packet": 4 << 20}, "database packets"),
        ({"@@character_set_server": "latin1"}, "database text"),
        ({"@@GLOBAL.sql_mode": "ONLY_FULL_GROUP_BY"}, "database strictness"),
    ],
)
def test_settings_that_cost_or_harm_are_told(answers: dict[str, Any], what: str) -> None:
    assert [(one[1], bool(one[3])) for one in found(diagnosis._settings, **answers)] == [(what, True)]


@pytest.mark.parametrize(
    "answers",
    [
        {"@@SESSION.sql_mode": "STRICT_TRANS_TABLES"},
        {"@@SESSION.time_zone": "SYSTEM"},
        {"@@character_set_connection": "latin1"},
    ],
)
def test_a_proxy_that_resets_the_session_is_told(answers: dict[str, Any]) -> None:
    assert [one[1] for one in found(diagnosis._session, **answers)] == ["database session"]


def test_only_a_connection_that_leaves_the_machine_must_be_encrypted_and_to_whom() -> None:
    def told(host: str, cipher: str = "", *, verified: bool = False) -> list[str]:
        return [one[2] for one in diagnosis._encryption(Said(cipher=cipher), host, verified=verified)]  # type: ignore[arg-type]

    assert "not encrypted" in told("db.example")[0]
    assert "nothing proves" in told("db.example", "TLS_AES_256_GCM_SHA384")[0]
    assert told("db.example", "TLS_AES_256_GCM_SHA384", verified=True) == []
    assert told("localhost") == told("127.0.0.1") == []


def test_strangers_and_the_open_test_schema_are_told_and_the_fix_mends_them(mysql_server: str, tmp_path: Path) -> None:
    def warnings() -> dict[str, str]:
        return {one[1]: one[3] for one in describe_server(mysql_server, tmp_path) if one[0] == "warning"}

    with admin(mysql_server) as connection:
        if "mariadb" not in str(connection.execute(text("SELECT VERSION()")).scalar()).lower():
            pytest.skip("MySQL has no PUBLIC")
        connection.execute(text("CREATE USER ''@'nowhere.example'"))
        for database in ("`test`", r"`test\_%`"):
            connection.execute(text(f"GRANT ALL ON {database}.* TO PUBLIC"))
        told = warnings()
        assert told["database users"] == "DROP USER ''@'nowhere.example';"
        assert "REVOKE" in told["database test"]
        for fix in (told["database users"], told["database test"]):
            for statement in filter(None, (part.strip() for part in fix.split(";"))):
                connection.execute(text(statement))
        left = warnings()
        assert "database users" not in left
        assert "database test" not in left


def test_what_this_user_may_not_see_is_passed_over(mysql_client: tuple[str, str], tmp_path: Path) -> None:
    from cortex.warehouse import accounts, provision

    url, code = mysql_client
    accounts.ensure(url, code, tmp_path)
    provision.apply(url, code, tmp_path)
    try:
        place = accounts.place(url, code, tmp_path)
        assert place.server is not None
        own = place.server.render_as_string(hide_password=False)
        assert next(describe_server(own, tmp_path))[:2] == ("ok", "database")
    finally:
        accounts.drop(url, code, tmp_path)
