"""Two shops alike down to their order ids, campaign ids and buyers: what is one's never shows up with the other."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from cortex.sandbox.market import Market
from cortex.sandbox.orders import Orders
from cortex.warehouse import accounts
from tests.journeys import agency as agencies
from tests.journeys import truth
from tests.journeys.agency import DAYS, NOW, Agency
from tests.journeys.conftest import Founder

ROOT = Path(__file__).resolve().parents[2]
FEW = 120


def twins() -> Market:
    """A shop and its double: the double has half of the same orders and pays twice for the same ads."""
    base = agencies.built(1, NOW, DAYS, FEW)
    shop, other = base.shops[:2]
    assert shop.meta is not None
    assert shop.google is not None
    assert other.meta is not None
    assert other.google is not None
    half = Orders()
    for position in range(0, len(shop.orders), 2):
        half.add(*shop.orders.story(position))
    dear = [replace(day, spend=day.spend * 2) for day in shop.meta.days]
    dear_google = [replace(day, spend=day.spend * 2) for day in shop.google.days]
    double = replace(
        other,
        code=agencies.unique(shop.code.replace("_", "x")),
        orders=half,
        products=deepcopy(shop.products),
        meta=replace(other.meta, days=dear),
        google=replace(other.google, days=dear_google, clicks=shop.google.clicks),
        ga4=None,
    )
    return Market(base.now, [replace(shop, code=agencies.unique(shop.code), ga4=None), double])


@pytest.fixture
def alike(found: Founder, engine_url: str) -> Agency:
    """The twins' agency; each client has an identity key of its own, made by onboarding."""
    agency = found(market=twins(), database=engine_url)
    for code in agency.codes:
        del agency.environment[f"CORTEX_{code.upper()}_IDENTITY_KEY"]
    return agency


def spent(agency: Agency, code: str) -> Decimal:
    shop = agency.shop(code)
    assert shop.meta is not None
    assert shop.google is not None
    since, until = truth.today(NOW).toordinal() - DAYS, truth.today(NOW).toordinal()
    days = [day for day in [*shop.meta.days, *shop.google.days] if since <= day.day.toordinal() < until]
    return sum((day.spend for day in days), Decimal(0))


def column(agency: Agency, code: str, table: str, name: str) -> set[Any]:
    return {row[name] for row in agency.rows(code, f"SELECT DISTINCT {name} FROM {table}")}


def test_clients_alike_never_meet(alike: Agency) -> None:
    first, second = alike.codes
    alike.main_job(first)
    alone = alike.dump(first)
    alike.main_job(second)
    assert alike.dump(first) == alone, "the second client's runs changed the first one's rows"

    shared = column(alike, first, "fct_orders", "external_id") & column(alike, second, "fct_orders", "external_id")
    assert len(shared) > 20
    assert column(alike, first, "fct_ad_spend", "campaign_id") == column(alike, second, "fct_ad_spend", "campaign_id")
    # The same people under another key: nobody can be followed from one shop to the other.
    for table in ("fct_orders", "dim_customers"):
        people = [column(alike, code, table, "customer_key") - {None, ""} for code in (first, second)]
        assert all(len(found) > 10 for found in people)
        assert not people[0] & people[1]

    for code in alike.codes:
        sales = truth.read_by_backfill(alike.shop(code), NOW, DAYS)
        assert alike.one(code, "SELECT COUNT(*) AS orders FROM fct_orders") == len(sales)
        assert alike.one(code, "SELECT SUM(paid) AS paid FROM fct_orders WHERE is_paid = 1") == truth.gross(sales)
        told = alike.ok("report", code, as_json=True)
        assert Path(told.data["path"]).is_file()
        for platform, destination in (("meta", "meta_capi"), ("data_manager", "google_ec")):
            counted = alike.counted(code, platform)
            assert counted
            assert counted == alike.settled(code, destination)
            assert set(counted) <= {sale.id for sale in sales}
            alike.once_each(code, platform)


def test_what_one_pays_for_ads_is_not_the_others(alike: Agency) -> None:
    for code in alike.onboarded().codes:
        alike.ok("backfill", code, "--days", str(DAYS), "--only", "ads")
    paid = {code: alike.one(code, "SELECT SUM(spend) AS spend FROM fct_ad_spend") for code in alike.codes}
    assert paid == {code: spent(alike, code) for code in alike.codes}
    assert paid[alike.second] == 2 * paid[alike.first] > 0


def test_each_client_is_read_and_written_as_its_own_user(alike: Agency, engine_url: str) -> None:
    if engine_url == "sqlite":
        pytest.skip("SQLite has no users")
    said = alike.ok("onboard", alike.first)
    for role in accounts.RIGHTS:
        assert f"{accounts.user_name(alike.first, role)} made" in said.err
    alike.ok("onboard", alike.second)
    assert "nothing to change" in alike.ok("onboard", alike.first).out
    for code in alike.codes:
        me = alike.one(code, "SELECT CURRENT_USER() AS me")
        assert me.startswith(f"{accounts.user_name(code, 'load')}@")
        listed = alike.ok("db", "users", code, as_json=True).data["users"]
        assert [(row["user"], row["state"]) for row in listed] == [
            (accounts.user_name(code, role), "ready") for role in accounts.RIGHTS
        ]
        assert accounts.user_name(code, "view") in alike.ok("doctor").out


def test_a_rotated_password_stops_the_run_and_onboarding_mends_it(alike: Agency, engine_url: str) -> None:
    if engine_url == "sqlite":
        pytest.skip("SQLite has no users")
    alike.onboarded(alike.first)
    user = accounts.examine(alike.database, alike.first, alike.state)[0]
    engine = create_engine(make_url(alike.database), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text("ALTER USER :name@:host IDENTIFIED BY 'somebody else chose this'"),
            {"name": user.name, "host": user.host},
        )
    engine.dispose()
    stopped = alike.cortex("run", "daily", alike.first)
    assert stopped.code == 5
    assert "CTX-5022" in stopped.err
    assert f"cortex onboard {alike.first}" in stopped.err
    assert user.name in alike.cortex("doctor", alike.first).out
    assert f"{user.name} mended" in alike.ok("onboard", alike.first).err
    alike.ok("run", "daily", alike.first)


def test_where_users_may_not_be_made_the_agency_is_told_what_to_do(alike: Agency, engine_url: str) -> None:
    if engine_url == "sqlite":
        pytest.skip("SQLite has no users")
    with managed(alike) as url:
        alike.environment["CORTEX_DATABASE_URL"] = url
        said = alike.ok("onboard", alike.first)
        assert f"cortex db users {alike.first}" in said.err
        told = alike.ok("db", "users", alike.first).out
        assert f"CREATE USER '{accounts.user_name(alike.first, 'load')}'" in told
        assert "<load password>" in told
        assert f"CORTEX_{alike.first.upper()}_DATABASE_LOAD_PASSWORD" in told
        again = alike.ok("onboard", alike.first, as_json=True)
        assert again.data["changed"] is False
        assert [warning["code"] for warning in again.envelope["warnings"]].count("CTX-5024") == 1
        doctor = alike.ok("doctor").out
        assert "may not make users" in doctor
        everything = "".join(said.text for said in alike.said)
        assert make_url(url).password not in everything


@contextmanager
def managed(agency: Agency) -> Iterator[str]:
    """A database URL whose user may have every schema of this agency, and make no user."""
    who = {"name": agencies.unique("managed")[:32], "host": "127.0.0.1"}
    engine = create_engine(make_url(agency.database), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        who["host"] = connection.execute(text("SELECT CURRENT_USER()")).scalar_one().rpartition("@")[2]
        connection.execute(text("CREATE USER :name@:host IDENTIFIED BY 'managed-canary-password'"), who)
        for database in (f"cortex_{agency.first}", "cortex_control"):
            connection.execute(text(f"GRANT ALL ON {accounts.scope(database)} TO :name@:host"), who)
        url = make_url(agency.database).set(username=who["name"], password="managed-canary-password")
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            connection.execute(text("DROP USER :name@:host"), who)
    engine.dispose()


# On the machine


class Watcher(threading.Thread):
    """Notes every command line of every process on this machine, over and over, until told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(file.read_bytes())
                except OSError:
                    continue  # it has ended
            time.sleep(0.002)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc to look into")
def test_no_secret_is_on_any_command_line(alike: Agency) -> None:
    watcher = Watcher()
    watcher.start()
    try:
        for words in (("onboard", alike.first), ("run", "daily", alike.first), ("report", alike.first)):
            process = alike.process(*words)
            _, said = process.communicate(timeout=120)
            assert process.returncode == 0, said
        script = subprocess.run(
            [ROOT / "scripts" / "setup_database.sh", alike.first],
            env=agencies.clean_environment()
            | alike.environment
            | {"CORTEX_WORKSPACE": str(alike.root), "VIRTUAL_ENV": str(Path(sys.executable).parents[1])},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert script.returncode == 0, script.stderr
    finally:
        watcher.done.set()
        watcher.join()
    assert any(b"onboard" in line and alike.first.encode() in line for line in watcher.seen), "the watcher saw nothing"
    shop = alike.shop(alike.first)
    secrets = [shop.store_token, shop.meta_token, shop.google_refresh_token]
    if alike.database:
        # Not the scratch server's own: the test run itself may have been told it.
        secrets += [_own_password(alike, role) for role in accounts.RIGHTS]
    for secret in secrets:
        assert len(secret) >= 8
        assert not [line for line in watcher.seen if secret.encode() in line]


def _own_password(agency: Agency, role: accounts.Role) -> str:
    place = accounts.place(agency.database, agency.first, agency.state, role)
    assert place.server is not None
    assert place.user
    return str(place.server.password)


def test_the_setup_script_says_how_it_is_used(tmp_path: Path) -> None:
    for arguments in ([], [""], ["one", "two"]):
        said = subprocess.run(
            [ROOT / "scripts" / "setup_database.sh", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert (said.returncode, said.stdout) == (1, "")
        assert said.stderr.startswith("Usage: scripts/setup_database.sh CODE")


def test_the_thin_scripts_are_the_commands(small: Agency) -> None:
    small.onboarded(small.first)
    environment = agencies.clean_environment() | small.environment | {"CORTEX_WORKSPACE": str(small.root)}
    for script, arguments, said in (
        ("health_check.py", [], "ok\n"),
        ("run_backfill.py", [small.first, "--days", "3", "--dry-run"], "store.orders"),
    ):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / script, *arguments],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


def test_everything_cortex_writes_for_itself_is_its_owners_alone(small: Agency) -> None:
    before = os.umask(0o022)
    try:
        small.onboarded().ok("run", "daily", small.first)
    finally:
        os.umask(before)
    paths = [small.state, *small.state.rglob("*")]
    assert len(paths) > 5
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("where", ["environment", "dotenv"])
def test_a_server_that_does_not_answer_is_told_without_its_password(tmp_path: Path, where: str) -> None:
    canary = "canary-of-the-database-42"
    with closing(agencies.found(tmp_path / "agency", agencies.market())) as agency:
        url = f"mysql+pymysql://somebody:{canary}@127.0.0.1:1"
        if where == "environment":
            agency.environment["CORTEX_DATABASE_URL"] = url
        else:
            env = agency.root / ".env"
            env.write_text(env.read_text(encoding="utf-8") + f"CORTEX_DATABASE_URL={url}\n", encoding="utf-8")
        code = agency.first
        for words in (
            ("onboard", code),
            ("run", "daily", code),
            ("doctor",),
            ("db", "users", code),
            ("status",),
            ("health",),
        ):
            for as_json in (False, True):
                said = agency.cortex(*words, "--verbose", as_json=as_json)
                assert said.code == 5, words
                assert "CTX-5001" in said.text or "Cannot reach" in said.text
                assert canary not in said.text
                assert "Traceback" not in said.text
