"""Provisioning: say it first, do it once, never touch what is another's, and never print a password."""

import logging
import stat
from pathlib import Path

import pytest
from sqlalchemy import make_url

from cortex.errors import DatabaseError
from cortex.warehouse import Warehouse, describe_server, provision, tables, views
from cortex.warehouse import engine as engines
from cortex.warehouse.provision import Change
from tests.rooms.warehouse_rows import everything, order


def test_a_plan_creates_nothing(engine_url: str, tenant_code: str, tmp_path: Path):
    changes = provision.plan(engine_url, tenant_code, tmp_path)
    place = engines.tenant_place(engine_url, tenant_code, tmp_path)
    assert changes[0] == Change("create", f"database {place.database}")
    assert Change("apply", "migration 0001_initial") in changes
    assert Change("load", "seed dim_dates") in changes
    assert Change("create", "view rpt_daily_performance") in changes
    assert engines.collation(place) is None
    assert list(tmp_path.iterdir()) == []


def test_apply_does_what_plan_says_and_a_second_time_nothing(engine_url: str, tenant_code: str, tmp_path: Path):
    planned = provision.plan(engine_url, tenant_code, tmp_path)
    assert provision.apply(engine_url, tenant_code, tmp_path) == planned
    assert provision.plan(engine_url, tenant_code, tmp_path) == []
    assert provision.apply(engine_url, tenant_code, tmp_path) == []


def test_data_survives_a_second_provisioning(warehouse: Warehouse, engine_url: str, tmp_path: Path):
    warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
    with warehouse.transaction() as tx:
        tx.delete("cortex_meta", {"name": ["seed:dim_dates", "view:rpt_payments"]})
    assert provision.apply(engine_url, warehouse.code, tmp_path) == [
        Change("load", "seed dim_dates"), Change("replace", "view rpt_payments"),
    ]  # fmt: skip
    assert len(everything(warehouse, tables.fct_orders)) == 1


def test_drift_of_views_and_seeds_is_found_and_mended(warehouse: Warehouse, engine_url: str, tmp_path: Path):
    with warehouse.transaction() as tx:
        tx.run("DROP VIEW rpt_payments")
        tx.run("CREATE VIEW rpt_of_yesterday AS SELECT 1 AS one")
        tx.update("cortex_meta", {"name": "view:rpt_traffic"}, {"value": "an older text"})
        tx.update("cortex_meta", {"name": "seed:dim_channels"}, {"value": "older rows"})
        tx.delete("dim_channels", {"channel": "meta"})
    assert provision.plan(engine_url, warehouse.code, tmp_path) == [
        Change("load", "seed dim_channels"), Change("create", "view rpt_payments"),
        Change("replace", "view rpt_traffic"), Change("drop", "view rpt_of_yesterday"),
    ]  # fmt: skip
    provision.apply(engine_url, warehouse.code, tmp_path)
    assert provision.plan(engine_url, warehouse.code, tmp_path) == []
    assert {one["channel"] for one in everything(warehouse, tables.dim_channels)} >= {"meta", "unattributed"}


def test_an_interrupted_provisioning_is_finished(engine_url: str, tenant_code: str, tmp_path: Path):
    place = engines.tenant_place(engine_url, tenant_code, tmp_path)
    engines.create(place)
    changes = provision.plan(engine_url, tenant_code, tmp_path)
    assert Change("create", f"database {place.database}") not in changes
    assert provision.apply(engine_url, tenant_code, tmp_path) == changes
    with Warehouse.open(engine_url, tenant_code, tmp_path) as warehouse:
        assert warehouse.rows("SELECT COUNT(*) AS n FROM dim_dates") == [{"n": 7670}]


def test_character_set_is_verified_and_set(mysql_client: tuple[str, str], tmp_path: Path):
    url, code = mysql_client
    place = engines.tenant_place(url, code, tmp_path)
    engines._on_server(place, "CREATE DATABASE {} CHARACTER SET latin1 COLLATE latin1_swedish_ci")
    assert provision.plan(url, code, tmp_path)[0] == Change("recode", f"database {place.database}")
    provision.apply(url, code, tmp_path)
    assert engines.collation(place) == "utf8mb4_unicode_ci"
    with Warehouse.open(url, code, tmp_path) as warehouse:
        warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1, city="São Tomé 😀")]))
        assert everything(warehouse, tables.fct_orders)[0]["city"] == "São Tomé 😀"


def test_open_before_onboarding_names_the_command(engine_url: str, tenant_code: str, tmp_path: Path):
    place = engines.tenant_place(engine_url, tenant_code, tmp_path)
    for made in (False, True):
        if made:
            engines.create(place)
        with pytest.raises(DatabaseError) as failure:
            Warehouse.open(engine_url, tenant_code, tmp_path)
        assert (failure.value.code, failure.value.fix) == ("CTX-5002", f"cortex onboard {tenant_code}")
        assert (engines.collation(place) is not None) == made


def test_open_with_migrations_pending_is_refused(warehouse: Warehouse, engine_url: str, tmp_path: Path):
    warehouse.atomically(lambda tx: tx.delete("schema_migrations", {}))
    with pytest.raises(DatabaseError, match="0001_initial") as failure:
        Warehouse.open(engine_url, warehouse.code, tmp_path)
    assert failure.value.code == "CTX-5003"


def test_another_clients_schema_is_never_touched(warehouse: Warehouse, engine_url: str, tmp_path: Path):
    warehouse.atomically(lambda tx: tx.update("cortex_meta", {"name": "tenant"}, {"value": "somebody"}))
    for touch in (Warehouse.open, provision.plan, provision.apply):
        with pytest.raises(DatabaseError, match=f"client somebody, not of {warehouse.code}") as failure:
            touch(engine_url, warehouse.code, tmp_path)
        assert failure.value.code == "CTX-5004"


def test_two_clients_do_not_see_each_other(warehouse: Warehouse, engine_url: str, tmp_path: Path):
    other = warehouse.code[:-1] + "_"
    try:
        provision.apply(engine_url, other, tmp_path)
        warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
        with Warehouse.open(engine_url, other, tmp_path) as neighbour:
            assert everything(neighbour, tables.fct_orders) == []
    finally:
        engines.drop(engines.tenant_place(engine_url, other, tmp_path))


@pytest.mark.parametrize("code", ["control", "Loja", "a", "a" * 32, "loja-a", "loja`; DROP", "1loja", "loja.a", ""])
def test_codes_that_cannot_name_a_database_are_refused(code: str, tmp_path: Path):
    for url in ("", "mysql+pymysql://u:p@127.0.0.1:1"):
        with pytest.raises(DatabaseError) as failure:
            provision.plan(url, code, tmp_path)
        assert failure.value.code == "CTX-5017"


def test_an_unreachable_server_is_named_without_its_password(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    url = "mysql+pymysql://somebody:hunter2hunter2@127.0.0.1:1/ignored?charset=utf8mb4"
    for touch in (lambda: Warehouse.open(url, "xyz", tmp_path), lambda: provision.plan(url, "xyz", tmp_path),
                  lambda: list(describe_server(url, tmp_path))):  # fmt: skip
        with pytest.raises(DatabaseError, match=r"on 127\.0\.0\.1:1 ") as failure:
            touch()
        assert failure.value.code == "CTX-5001"
        assert failure.value.__cause__ is None
        assert failure.value.__suppress_context__
        assert "hunter2" not in f"{failure.value} {failure.value.fix} {failure.value!r} {caplog.text}"
    place = engines.tenant_place(url, "xyz", tmp_path)
    assert "hunter2" not in f"{place} {place!r} {engines.connect(place)!r}"


def test_a_refused_user_is_told_without_password(mysql_server: str, tmp_path: Path):
    wrong = make_url(mysql_server).set(username="nobody_here", password="hunter2hunter2").render_as_string(False)
    with pytest.raises(DatabaseError) as failure:
        provision.plan(wrong, "xyz", tmp_path)
    assert failure.value.code == "CTX-5012"
    assert "hunter2" not in str(failure.value)
    assert "nobody_here" not in str(failure.value)


@pytest.mark.parametrize("url", ["postgresql://h/x", "nonsense", "sqlite://", "mysql", "://"])
def test_other_urls_are_refused_without_being_quoted(url: str, tmp_path: Path):
    with pytest.raises(DatabaseError) as failure:
        Warehouse.open(url, "xyz", tmp_path)
    assert failure.value.code == "CTX-5001"


def test_a_sqlite_url_names_the_folder_of_the_files(tmp_path: Path):
    folder = tmp_path / "with space"
    provision.apply(f"sqlite:///{folder}", "xyz", tmp_path / "elsewhere")
    assert (folder / "xyz.db").is_file()
    assert not (tmp_path / "elsewhere").exists()


def test_sqlite_files_are_private_and_durable(tmp_path: Path):
    provision.apply("", "xyz", tmp_path)
    file = tmp_path / "tenants" / "xyz.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) & 0o077 == 0
    with Warehouse.open("", "xyz", tmp_path) as warehouse, warehouse.transaction() as tx:
        settings = {name: tx.rows(f"PRAGMA {name}")[0] for name in ("journal_mode", "synchronous", "secure_delete")}
    assert settings == {
        "journal_mode": {"journal_mode": "wal"}, "synchronous": {"synchronous": 2}, "secure_delete": {"secure_delete": 1},
    }  # fmt: skip


def test_a_damaged_file_is_told_as_such(tmp_path: Path):
    file = tmp_path / "tenants" / "xyz.db"
    file.parent.mkdir()
    file.write_bytes(b"this is no database" * 100)
    with pytest.raises(DatabaseError, match="damaged") as failure:
        Warehouse.open("", "xyz", tmp_path)
    assert failure.value.code == "CTX-5021"


def test_mysql_sessions_are_strict_utc_and_read_committed(mysql_client: tuple[str, str], tmp_path: Path):
    provision.apply(*mysql_client, tmp_path)
    with Warehouse.open(*mysql_client, tmp_path) as warehouse:
        said = warehouse.rows(
            "SELECT @@session.time_zone AS zone, @@session.sql_mode AS mode, @@character_set_connection AS cs,"
            " @@collation_connection AS co, @@innodb_lock_wait_timeout AS wait"
        )[0]
        isolation = warehouse.rows(
            "SHOW SESSION VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')"
        )
    assert (said["zone"], said["cs"], said["co"], said["wait"]) == ("+00:00", "utf8mb4", "utf8mb4_bin", 10)
    assert {"STRICT_TRANS_TABLES", "ONLY_FULL_GROUP_BY", "NO_ZERO_DATE"} <= set(said["mode"].split(","))
    assert {one["Value"] for one in isolation} == {"READ-COMMITTED"}


def test_views_see_what_their_reader_may_see(mysql_client: tuple[str, str], tmp_path: Path):
    """Else a view would need the rights, and the existence, of whoever provisioned the client."""
    provision.apply(*mysql_client, tmp_path)
    with Warehouse.open(*mysql_client, tmp_path) as warehouse:
        found = warehouse.rows(
            "SELECT table_name AS name, security_type AS rights FROM information_schema.views WHERE table_schema = :schema",
            schema=f"cortex_{warehouse.code}",
        )
    assert len(found) == len(views.bundled_views())
    assert {one["rights"] for one in found} == {"INVOKER"}


def test_every_view_is_noted_with_the_checksum_of_its_file(warehouse: Warehouse):
    noted = {one["name"]: one["value"] for one in everything(warehouse, tables.cortex_meta)}
    assert noted["tenant"] == warehouse.code
    assert {name: noted[f"view:{name}"] for name in (view.name for view in views.bundled_views())} == {
        view.name: view.sha256 for view in views.bundled_views()
    }


def test_doctor_is_told_about_the_server(engine_url: str, tmp_path: Path):
    found = list(describe_server(engine_url, tmp_path))
    assert found[0][:2] == ("ok", "database")
    assert ("SQLite" if engine_url == "sqlite" else "127.0.0.1") in found[0][2]
    assert list(tmp_path.iterdir()) == []
