"""Database users of a client: made once, mended when broken, let into their own schema and nowhere else."""

from __future__ import annotations

import logging
import re
import stat
import string
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from cortex.errors import DatabaseError
from cortex.secrets import Vault
from cortex.warehouse import Control, Warehouse, accounts, provision
from cortex.warehouse import engine as engines
from cortex.warehouse.accounts import RIGHTS, Role
from cortex.warehouse.changes import Change
from tests.conftest import ENGINES, mysql_url
from tests.rooms.warehouse_rows import order

ROLES: tuple[Role, ...] = ("load", "view")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Pair:
    url: str
    first: str
    second: str
    state: Path


def password(code: str, state: Path, role: Role) -> str:
    return Vault(code, state.parent, state=state).get(f"DATABASE_{role.upper()}_PASSWORD").reveal()


@contextmanager
def admin(url: str) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", hide_parameters=True)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def logged_in(url: str, code: str, state: Path, role: Role) -> Iterator[Connection]:
    """As a client's user with nothing of Cortex in between."""
    own = make_url(url).set(username=accounts.user_name(code, role), password=password(code, state, role))
    engine = create_engine(own, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def onboard(url: str, code: str, state: Path) -> accounts.Ensured:
    ensured = accounts.ensure(url, code, state)
    provision.apply(url, code, state)
    return ensured


def forget(url: str, code: str, state: Path) -> None:
    accounts.drop(url, code, state)
    engines.drop(engines.tenant_place(url, code, state))


@pytest.fixture
def client(mysql_client: tuple[str, str], tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server and a client provisioned on it, users and all."""
    url, code = mysql_client
    assert not onboard(url, code, tmp_path).unwilling
    yield url, code
    accounts.drop(url, code, tmp_path)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two clients whose codes are wildcards of each other, each with one order of its own; and the control schema."""
    if "mysql" not in ENGINES:
        pytest.skip("CORTEX_TEST_ENGINES leaves the server out")
    url, state = mysql_url(), tmp_path_factory.mktemp("pair")
    stem = f"t{uuid.uuid4().hex[:12]}"
    first, second = f"{stem}_a", f"{stem}xa"
    try:
        for number, code in enumerate((first, second), start=1):
            onboard(url, code, state)
            with Warehouse.open(url, code, state) as warehouse:
                warehouse.atomically(lambda tx, n=number: tx.upsert("fct_orders", [order(n)]))
        Control.open(url, state).close()
        yield Pair(url, first, second, state)
    finally:
        for code in (first, second):
            forget(url, code, state)


@pytest.fixture
def lesser(mysql_server: str, mysql_client: tuple[str, str]) -> Iterator[tuple[str, str, str]]:
    """The configured user of a managed server: may have schemas, may not make users. (its URL, client code, its name)"""
    _, code = mysql_client
    name = f"managed_{uuid.uuid4().hex[:12]}"
    with admin(mysql_server) as connection:
        host = connection.execute(text("SELECT CURRENT_USER()")).scalar_one().rpartition("@")[2]
        who = {"name": name, "host": host}
        connection.execute(text("CREATE USER :name@:host IDENTIFIED BY 'managed-password-canary'"), who)
        connection.execute(text(f"GRANT ALL ON {accounts.scope(f'cortex_{code}')} TO :name@:host"), who)
        url = make_url(mysql_server).set(username=name, password="managed-password-canary")
        yield url.render_as_string(hide_password=False), code, name
        connection.execute(text("DROP USER :name@:host"), who)


# Names and scopes


@given(st.from_regex(engines.CODE, fullmatch=True), st.from_regex(engines.CODE, fullmatch=True))
def test_users_names_are_short_and_no_two_clients_share_one(one: str, other: str) -> None:
    names = {(code, role): accounts.user_name(code, role) for code in {one, other} for role in ROLES}
    assert all(len(name) <= 32 for name in names.values())
    assert len(set(names.values())) == len(names)


def test_long_codes_keep_their_own_names() -> None:
    names = {accounts.user_name(f"{'a' * 30}{letter}", role) for letter in string.ascii_lowercase for role in ROLES}
    assert len(names) == 52
    assert {len(name) for name in names} == {32}


@given(st.text(min_size=1))
def test_a_scope_holds_no_bare_wildcard_and_no_way_out_of_its_quotes(database: str) -> None:
    inside = accounts.scope(database).removeprefix("`").removesuffix("`.*")
    rest = inside.replace("\\\\", "").replace("\\_", "").replace("\\%", "").replace("``", "")
    assert not set(rest) & {"_", "%", "`", "\\"}


@given(st.text())
def test_only_a_code_ever_names_a_schema_or_a_user(text_: str) -> None:
    if engines.CODE.fullmatch(text_) and text_ not in engines.RESERVED:
        return
    for touch in (accounts.place, accounts.examine, accounts.ensure, accounts.plan, accounts.statements, accounts.drop):
        with pytest.raises(DatabaseError) as refused:
            touch("mysql+pymysql://u:p@127.0.0.1:1", text_, Path("absent"))
        assert refused.value.code == "CTX-5017"


# Made once


def test_onboarding_makes_both_users_and_a_second_time_nothing(mysql_client: tuple[str, str], tmp_path: Path) -> None:
    url, code = mysql_client
    wanted = [Change("create", f"user cortex_{code}_{role}") for role in ROLES]
    try:
        assert accounts.plan(url, code, tmp_path) == wanted
        assert not (tmp_path / "sealed.json").exists()
        assert onboard(url, code, tmp_path) == accounts.Ensured(tuple(wanted))
        before = (tmp_path / "sealed.json").read_bytes()
        assert stat.S_IMODE((tmp_path / "sealed.json").stat().st_mode) == 0o600
        assert [user.state for user in accounts.examine(url, code, tmp_path)] == ["ready", "ready"]
        assert accounts.plan(url, code, tmp_path) == []
        assert onboard(url, code, tmp_path) == accounts.Ensured()
        assert (tmp_path / "sealed.json").read_bytes() == before
    finally:
        accounts.drop(url, code, tmp_path)
    assert [user.state for user in accounts.examine(url, code, tmp_path)] == ["none", "none"]


def test_a_clients_schema_is_reached_as_its_own_user(client: tuple[str, str], tmp_path: Path) -> None:
    url, code = client
    with Warehouse.open(url, code, tmp_path) as writer, Warehouse.open(url, code, tmp_path, read_only=True) as reader:
        writer.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
        for warehouse, role in ((writer, "load"), (reader, "view")):
            said = warehouse.rows("SELECT CURRENT_USER() AS me")[0]["me"]
            assert said.startswith(f"cortex_{code}_{role}@")
        assert reader.rows("SELECT COUNT(*) AS n FROM fct_orders") == [{"n": 1}]
        assert reader.rows("SELECT SUM(orders) AS orders FROM rpt_daily_performance")
        with pytest.raises(DatabaseError):
            reader.atomically(lambda tx: tx.upsert("fct_orders", [order(2)]))
    with Control.open(url, tmp_path) as control:
        assert control._place.user == ""


def test_the_users_own_rights_are_enough_to_make_the_schema(client: tuple[str, str], tmp_path: Path) -> None:
    url, code = client
    with admin(url) as connection:
        owners = connection.execute(
            text("SELECT DISTINCT definer FROM information_schema.views WHERE table_schema = :name"),
            {"name": f"cortex_{code}"},
        ).scalars()
        assert {owner.partition("@")[0] for owner in owners} == {f"cortex_{code}_load"}


def test_a_code_of_31_letters_gets_users_too(mysql_server: str, tmp_path: Path) -> None:
    code = f"t{uuid.uuid4().hex[:30]}"
    try:
        assert not onboard(mysql_server, code, tmp_path).unwilling
        with Warehouse.open(mysql_server, code, tmp_path) as warehouse:
            assert warehouse.rows("SELECT COUNT(*) AS n FROM fct_orders") == [{"n": 0}]
    finally:
        forget(mysql_server, code, tmp_path)


# Mended


def test_a_rotated_password_stops_runs_and_is_mended_by_onboarding(client: tuple[str, str], tmp_path: Path) -> None:
    url, code = client
    before = password(code, tmp_path, "load")
    with admin(url) as connection:
        host = accounts.examine(url, code, tmp_path)[0].host
        connection.execute(
            text("ALTER USER :name@:host IDENTIFIED BY 'somebody else chose this'"),
            {"name": f"cortex_{code}_load", "host": host},
        )
    with pytest.raises(DatabaseError, match=f"cortex_{code}_load") as refused:
        Warehouse.open(url, code, tmp_path)
    assert refused.value.code == "CTX-5022"
    assert f"cortex onboard {code}" in refused.value.fix
    assert before not in f"{refused.value} {refused.value.fix}"
    assert [user.state for user in accounts.examine(url, code, tmp_path)] == ["refused", "ready"]
    assert provision.plan(url, code, tmp_path) == []
    assert onboard(url, code, tmp_path).changes == (Change("mend", f"user cortex_{code}_load"),)
    assert password(code, tmp_path, "load") != before
    Warehouse.open(url, code, tmp_path).close()


def test_a_lost_password_and_a_dropped_user_are_mended(client: tuple[str, str], tmp_path: Path) -> None:
    url, code = client
    (tmp_path / "sealed.json").unlink()
    with Warehouse.open(url, code, tmp_path) as warehouse:
        assert not warehouse.rows("SELECT CURRENT_USER() AS me")[0]["me"].startswith(f"cortex_{code}")
    mended = tuple(Change("mend", f"user cortex_{code}_{role}") for role in ROLES)
    assert onboard(url, code, tmp_path).changes == mended
    with admin(url) as connection:
        host = accounts.examine(url, code, tmp_path)[0].host
        connection.execute(text("DROP USER :name@:host"), {"name": f"cortex_{code}_view", "host": host})
    assert onboard(url, code, tmp_path).changes == (Change("create", f"user cortex_{code}_view"),)
    (tmp_path / "keys" / "workspace.key").write_text("another key of forty characters, or about")
    assert onboard(url, code, tmp_path).changes == mended
    assert [user.state for user in accounts.examine(url, code, tmp_path)] == ["ready", "ready"]


def test_rights_too_many_or_too_few_are_set_right(client: tuple[str, str], tmp_path: Path) -> None:
    url, code = client
    load, view = accounts.examine(url, code, tmp_path)
    with admin(url) as connection:
        for statement, user in (
            (f"REVOKE INSERT ON {accounts.scope(f'cortex_{code}')} FROM :name@:host", load),
            ("GRANT SELECT ON cortex_control.* TO :name@:host", view),
            ("GRANT FILE ON *.* TO :name@:host", view),
        ):
            connection.execute(text(statement), {"name": user.name, "host": user.host})
    load, view = accounts.examine(url, code, tmp_path)
    assert (load.state, load.missing, load.extra) == ("differs", ("INSERT",), ())
    assert (view.state, view.missing) == ("differs", ())
    assert len(view.extra) == 2
    before = (tmp_path / "sealed.json").read_bytes()
    assert len(onboard(url, code, tmp_path).changes) == 2
    assert [user.state for user in accounts.examine(url, code, tmp_path)] == ["ready", "ready"]
    assert (tmp_path / "sealed.json").read_bytes() == before


# Where the server will not


def test_where_users_may_not_be_made_the_configured_user_is_used(lesser: tuple[str, str, str], tmp_path: Path) -> None:
    url, code, name = lesser
    assert accounts.plan(url, code, tmp_path) == []
    ensured = onboard(url, code, tmp_path)
    assert ensured.changes == ()
    assert "does not allow CREATE" in ensured.unwilling
    assert not (tmp_path / "sealed.json").exists()
    with Warehouse.open(url, code, tmp_path) as warehouse:
        warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
        assert warehouse.rows("SELECT CURRENT_USER() AS me")[0]["me"].startswith(f"{name}@")
    with (
        Warehouse.open(url, code, tmp_path, read_only=True) as reader,
        pytest.raises(DatabaseError),
    ):
        reader.atomically(lambda tx: tx.upsert("fct_orders", [order(2)]))


def test_what_an_administrator_is_told_to_run_works_and_holds_no_password(
    lesser: tuple[str, str, str], mysql_server: str, tmp_path: Path
) -> None:
    url, code, _ = lesser
    provision.apply(url, code, tmp_path)
    told = accounts.statements(url, code, tmp_path)
    assert not [line for line in told if "canary" in line]
    assert sum("password>" in line for line in told) == 2
    (tmp_path.parent / ".env").write_text("") if not (tmp_path.parent / ".env").exists() else None
    with admin(mysql_server) as connection:
        for line in told:
            chosen = line.replace("<load password>", "chosen-Load-1").replace("<view password>", "chosen-View-1")
            connection.exec_driver_sql(chosen.rstrip(";"))
    state = tmp_path / "agency" / ".cortex"
    state.mkdir(parents=True)
    values = dict(zip(accounts.variables(code), ("chosen-Load-1", "chosen-View-1"), strict=True))
    (state.parent / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    try:
        assert [user.state for user in accounts.examine(url, code, state)] == ["ready", "ready"]
        assert accounts.ensure(url, code, state) == accounts.Ensured()
        with Warehouse.open(url, code, state) as warehouse:
            assert warehouse.rows("SELECT CURRENT_USER() AS me")[0]["me"].startswith(f"cortex_{code}_load@")
        assert not (state / "sealed.json").exists()
    finally:
        accounts.drop(mysql_server, code, tmp_path)


def test_a_password_the_server_refuses_for_good_is_forgotten(lesser: tuple[str, str, str], tmp_path: Path) -> None:
    """A workspace moved to a managed server: what was sealed opens nothing there."""
    url, code, name = lesser
    sealed = Vault(code, tmp_path.parent, state=tmp_path).sealed
    sealed.put(dict.fromkeys(accounts.variables(code), "of the old server, long"))
    assert onboard(url, code, tmp_path).unwilling
    with Warehouse.open(url, code, tmp_path) as warehouse:
        assert warehouse.rows("SELECT CURRENT_USER() AS me")[0]["me"].startswith(f"{name}@")


def test_users_that_cannot_be_given_rights_are_not_left_behind(
    lesser: tuple[str, str, str], mysql_server: str, tmp_path: Path
) -> None:
    url, code, name = lesser
    with admin(mysql_server) as connection:
        host = connection.execute(text("SELECT CURRENT_USER()")).scalar_one().rpartition("@")[2]
        connection.execute(text("GRANT CREATE USER ON *.* TO :name@:host"), {"name": name, "host": host})
        assert "GRANT" in onboard(url, code, tmp_path).unwilling
        left = connection.execute(
            text("SELECT user FROM mysql.user WHERE user LIKE :like"), {"like": f"cortex%{code}%"}
        )
        assert left.all() == []
    assert not (tmp_path / "sealed.json").exists()


@pytest.mark.parametrize("page", ["docs/en/database.md", "docs/pt-BR/banco_de_dados.md"])
def test_the_rights_the_page_asks_for_are_enough(mysql_server: str, tmp_path: Path, page: str) -> None:
    """The statements a reader copies give a user that onboards clients and reaches no schema but Cortex's."""
    told = re.findall(r"```sql\n(.+?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert len(told) == 1
    name, code = f"prov_{uuid.uuid4().hex[:12]}", f"t{uuid.uuid4().hex[:12]}_a"
    with admin(mysql_server) as connection:
        host = connection.execute(text("SELECT CURRENT_USER()")).scalar_one().rpartition("@")[2]
        for statement in filter(None, map(str.strip, told[0].split(";"))):
            ours = statement.replace("'cortex'@'%'", f"'{name}'@'{host}'").replace(" REQUIRE SSL", "")
            connection.execute(text(re.sub("<.+?>", "a-password-of-the-page", ours)))
        url = make_url(mysql_server).set(username=name, password="a-password-of-the-page")
        shown = url.render_as_string(hide_password=False)
        try:
            assert len(accounts.plan(shown, code, tmp_path)) == 2
            assert onboard(shown, code, tmp_path).unwilling == ""
            assert [user.state for user in accounts.examine(shown, code, tmp_path)] == ["ready", "ready"]
            Control.open(shown, tmp_path).close()
            with admin(shown) as limited, pytest.raises(DBAPIError):
                limited.exec_driver_sql("SELECT * FROM mysql.user")
        finally:
            forget(shown, code, tmp_path)
            connection.execute(text("DROP USER :name@:host"), {"name": name, "host": host})


# Let in nowhere else


def intrusions(url: str, own: str, other: str) -> dict[str, str]:
    """Kinds of statement with which one might reach what is not one's own."""
    theirs = f"cortex_{other}"
    return {
        "read": f"SELECT * FROM `{theirs}`.fct_orders",
        "read a view": f"SELECT * FROM `{theirs}`.rpt_daily_performance",
        "insert": f"INSERT INTO `{theirs}`.cortex_meta (name, value) VALUES ('x', 'x')",
        "update": f"UPDATE `{theirs}`.cortex_meta SET value = 'x'",
        "delete": f"DELETE FROM `{theirs}`.fct_orders",
        "create table": f"CREATE TABLE `{theirs}`.mine (a INT)",
        "drop table": f"DROP TABLE `{theirs}`.fct_orders",
        "alter": f"ALTER TABLE `{theirs}`.fct_orders ADD COLUMN a INT",
        "truncate": f"TRUNCATE TABLE `{theirs}`.fct_orders",
        "index": f"CREATE INDEX spy ON `{theirs}`.fct_orders (created_at)",
        "use": f"USE `{theirs}`",
        "copy out": f"CREATE TABLE `cortex_{own}`.stolen AS SELECT * FROM `{theirs}`.fct_orders",
        "copy by insert": f"INSERT INTO `cortex_{own}`.cortex_meta SELECT name, value FROM `{theirs}`.cortex_meta",
        "copy by like": f"CREATE TABLE `cortex_{own}`.shape LIKE `{theirs}`.fct_orders",
        "view over theirs": f"CREATE VIEW `cortex_{own}`.spy AS SELECT * FROM `{theirs}`.fct_orders",
        "show create": f"SHOW CREATE TABLE `{theirs}`.fct_orders",
        "lock": f"LOCK TABLES `{theirs}`.fct_orders READ",
        "move": f"RENAME TABLE `{theirs}`.fct_orders TO `cortex_{own}`.moved",
        "drop schema": f"DROP DATABASE `{theirs}`",
        "users": "SELECT * FROM mysql.user",
        "grants": "SELECT * FROM mysql.db",
        "control": "SELECT * FROM cortex_control.runs",
        "leases": "DELETE FROM cortex_control.leases",
        "into a file": "SELECT 1 INTO OUTFILE '/tmp/cortex-spy.txt'",
        "create schema": "CREATE DATABASE cortex_spy",
        "create user": "CREATE USER 'spy'@'localhost' IDENTIFIED BY 'x'",
        "grant": f"GRANT SELECT ON `{theirs}`.* TO CURRENT_USER()",
        "set global": "SET GLOBAL max_connections = 1",
        "transactions": "SELECT * FROM information_schema.INNODB_TRX",
        "shut down": "SHUTDOWN",
    }


@pytest.mark.parametrize("role", ROLES)
def test_nothing_of_another_client_or_of_the_server_is_reached(pair: Pair, role: Role) -> None:
    url, first, second = pair.url, pair.first, pair.second
    for own, other in ((first, second), (second, first)):
        tried = intrusions(url, own, other)
        assert len(tried) >= 12
        through = []
        with logged_in(url, own, pair.state, role) as connection:
            for kind, statement in tried.items():
                with suppress(DBAPIError):
                    connection.exec_driver_sql(statement)
                    through.append(kind)
            loaded = connection.exec_driver_sql("SELECT LOAD_FILE('/etc/hostname')").scalar()
        assert through == []
        assert loaded is None
        with Warehouse.open(url, other, pair.state) as warehouse:
            assert warehouse.rows("SELECT COUNT(*) AS n FROM fct_orders") == [{"n": 1}]


@pytest.mark.parametrize("role", ROLES)
def test_other_clients_are_not_even_seen(pair: Pair, role: Role) -> None:
    url, own, other = pair.url, pair.first, pair.second
    with logged_in(url, own, pair.state, role) as connection:
        seen = set(connection.exec_driver_sql("SHOW DATABASES").scalars())
        assert {name for name in seen if name.startswith("cortex")} == {f"cortex_{own}"}
        for table, column in (("tables", "table_schema"), ("columns", "table_schema"), ("views", "table_schema"),
                              ("schemata", "schema_name"), ("statistics", "table_schema")):  # fmt: skip
            found = connection.execute(
                text(f"SELECT COUNT(*) FROM information_schema.{table} WHERE {column} IN (:other, 'cortex_control')"),
                {"other": f"cortex_{other}"},
            ).scalar_one()
            assert found == 0, table
        with Warehouse.open(url, other, pair.state) as neighbour:
            neighbour.rows("SELECT 1 AS one")
            users = connection.exec_driver_sql("SELECT DISTINCT user FROM information_schema.processlist").scalars()
            assert set(users) == {accounts.user_name(own, role)}


def test_the_view_user_writes_nothing_in_its_own_schema(client: tuple[str, str], tmp_path: Path) -> None:
    url, code = client
    with logged_in(url, code, tmp_path, "view") as connection:
        for statement in (
            "INSERT INTO cortex_meta (name, value) VALUES ('x', 'x')",
            "UPDATE cortex_meta SET value = 'x'",
            "DELETE FROM cortex_meta",
            "CREATE TABLE mine (a INT)",
            "CREATE TEMPORARY TABLE mine (a INT)",
            "DROP TABLE cortex_meta",
            "DROP VIEW rpt_payments",
            "CREATE OR REPLACE VIEW rpt_payments AS SELECT 1",
        ):
            connection.exec_driver_sql(f"USE `cortex_{code}`")
            with pytest.raises(DBAPIError):
                connection.exec_driver_sql(statement)
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM rpt_payments").scalar() == 0


def test_an_unescaped_grant_would_have_opened_the_other_client(pair: Pair) -> None:
    """The server's own rule, seen on this very server: why scopes are escaped."""
    url, first, second = pair.url, pair.first, pair.second
    name = f"wild_{uuid.uuid4().hex[:12]}"
    with admin(url) as connection:
        host = connection.execute(text("SELECT CURRENT_USER()")).scalar_one().rpartition("@")[2]
        who = {"name": name, "host": host}
        connection.execute(text("CREATE USER :name@:host IDENTIFIED BY 'wild-password'"), who)
        try:
            connection.execute(text(f"GRANT SELECT ON `cortex_{first}`.* TO :name@:host"), who)
            with admin(make_url(url).set(username=name, password="wild-password")) as spy:  # type: ignore[arg-type]
                assert spy.exec_driver_sql(f"SELECT COUNT(*) FROM `cortex_{second}`.fct_orders").scalar() == 1
        finally:
            connection.execute(text("DROP USER :name@:host"), who)


def test_a_swapped_database_is_stopped_by_its_own_word(client: tuple[str, str], tmp_path: Path) -> None:
    """Somebody restores another client's backup into this one's schema: the schema says whose it is."""
    url, code = client
    with Warehouse.open(url, code, tmp_path) as warehouse:
        warehouse.atomically(lambda tx: tx.update("cortex_meta", {"name": "tenant"}, {"value": "another"}))
    for touch in (Warehouse.open, provision.plan, provision.apply):
        with pytest.raises(DatabaseError, match=f"of client another, not of {code}") as stopped:
            touch(url, code, tmp_path)
        assert stopped.value.code == "CTX-5004"


# Never said


def test_passwords_are_in_no_log_no_error_and_no_repr(
    mysql_client: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url, code = mysql_client
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    try:
        onboard(url, code, tmp_path)
        with Warehouse.open(url, code, tmp_path) as warehouse:
            warehouse.rows("SELECT 1 AS one")
        place = accounts.place(url, code, tmp_path)
        words = [
            f"{place} {place!r} {warehouse!r} {engines.connect(place)!r}",
            *map(repr, accounts.examine(url, code, tmp_path)),
        ]
        with (
            pytest.raises(DatabaseError) as refused,
            engines.server(engines.tenant_place(url, code, tmp_path)) as connection,
        ):
            accounts._run(
                connection,
                "GRANT SUPER ON nowhere.* TO :name@:host IDENTIFIED BY :password",
                {"name": "no", "host": "no", "password": password(code, tmp_path, "load")},
            )
        words.append(f"{refused.value!r} {refused.value} {refused.value.__cause__!r}")
    except DBAPIError as failure:
        words = [str(failure)]
    finally:
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
        secrets = [password(code, tmp_path, role) for role in ROLES]
        accounts.drop(url, code, tmp_path)
    assert "CREATE USER" in caplog.text
    for secret in secrets:
        assert secret not in caplog.text
        assert secret not in " ".join(words)


def test_the_servers_own_log_of_statements_holds_no_password(mysql_client: tuple[str, str], tmp_path: Path) -> None:
    url, code = mysql_client
    with admin(url) as connection:
        kept = connection.exec_driver_sql("SELECT @@global.general_log, @@global.log_output").one()
        connection.exec_driver_sql("SET GLOBAL log_output = 'TABLE'")
        connection.exec_driver_sql("SET GLOBAL general_log = ON")
        try:
            onboard(url, code, tmp_path)
            secrets = [password(code, tmp_path, role) for role in ROLES]
        finally:
            connection.execute(text("SET GLOBAL general_log = :on"), {"on": kept[0]})
            connection.execute(text("SET GLOBAL log_output = :where"), {"where": kept[1]})
            accounts.drop(url, code, tmp_path)
        logged = " ".join(
            str(line)
            for line in connection.execute(
                text("SELECT argument FROM mysql.general_log WHERE argument LIKE :like"), {"like": f"%cortex_{code}%"}
            ).scalars()
        )
    assert "CREATE USER" in logged
    assert not [secret for secret in secrets if secret in logged]


def test_passwords_have_256_bits_and_every_kind_of_character() -> None:
    drawn = {accounts._new_password() for _ in range(200)}
    assert len(drawn) == 200
    for one in drawn:
        assert len(one) == 43
        assert all(
            set(one) & set(kind) for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_")
        )


def test_every_right_is_the_schemas_own() -> None:
    """None that reaches beyond one schema, none that lets a user pass rights on or act as another."""
    beyond = {
        "ALL",
        "ALL PRIVILEGES",
        "FILE",
        "PROCESS",
        "SUPER",
        "GRANT OPTION",
        "CREATE USER",
        "TRIGGER",
        "EVENT",
        "EXECUTE",
    }
    assert not (RIGHTS["load"] | RIGHTS["view"]) & beyond
    assert RIGHTS["view"] < RIGHTS["load"]


# SQLite


def test_sqlite_has_no_users_and_its_files_are_the_owners_alone(tmp_path: Path) -> None:
    state = tmp_path / ".cortex"
    for code in ("loja_a", "lojaxa"):
        provision.apply("", code, state)
        assert accounts.ensure("", code, state) == accounts.Ensured()
        assert accounts.examine("", code, state) == []
        assert accounts.statements("", code, state) == []
        with Warehouse.open("", code, state) as warehouse:
            warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
    Control.open("", state).close()
    for path in [state, *state.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert not (state / "sealed.json").exists()


def test_a_read_only_warehouse_writes_nothing(engine_url: str, warehouse: Warehouse, tmp_path: Path) -> None:
    with (
        Warehouse.open(engine_url, warehouse.code, tmp_path, read_only=True) as reader,
        pytest.raises(DatabaseError),
    ):
        reader.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
    assert warehouse.rows("SELECT COUNT(*) AS n FROM fct_orders") == [{"n": 0}]
