"""What every test may ask for: a database of each kind, a provisioned client, a still clock, an empty workspace.

`scripts/test` names a MySQL-family server in CORTEX_TEST_MYSQL_URL. Without one the MySQL half of the matrix fails, so
that nobody takes half of the suite for the whole; CORTEX_TEST_ENGINES=sqlite leaves it out knowingly. So it is with the
browser and CORTEX_TEST_BROWSER=none.
"""

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cortex.clock import Clock
from cortex.errors import ConfigError
from cortex.handoff import browser
from cortex.warehouse import Warehouse, provision
from cortex.warehouse import engine as engines
from cortex.workspace import Workspace

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

ENGINES = ["sqlite"] if os.environ.get("CORTEX_TEST_ENGINES") == "sqlite" else ["sqlite", "mysql"]
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
"""Noon in São Paulo on a Friday, a week before Black Friday."""
SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


def mysql_url() -> str:
    """The scratch server's URL, or a failure that says how to get one."""
    url = os.environ.get("CORTEX_TEST_MYSQL_URL")
    if not url:
        pytest.fail(
            "This test needs a MySQL or MariaDB server: run scripts/test, which starts one, "
            "or leave it out with CORTEX_TEST_ENGINES=sqlite.",
            pytrace=False,
        )
    return url


@pytest.fixture(scope="session")
def chromium() -> str:
    """A browser for the tracking kit's scripts, or a failure that says how to get one."""
    if os.environ.get("CORTEX_TEST_BROWSER") == "none":
        pytest.skip("CORTEX_TEST_BROWSER leaves the browser out")
    try:
        return browser.find()
    except ConfigError as error:
        pytest.fail(
            f"{error.message} Run scripts/test, which installs one, or leave it out with CORTEX_TEST_BROWSER=none.",
            pytrace=False,
        )


@pytest.fixture(params=ENGINES)
def engine_url(request: pytest.FixtureRequest) -> str:
    """Base URL of a database of each kind; `sqlite` keeps its files in the state folder the test names."""
    return "sqlite" if request.param == "sqlite" else mysql_url()


@pytest.fixture
def mysql_server() -> str:
    """Base URL of the MySQL-family server, for what only servers have: users, sessions, character sets."""
    if "mysql" not in ENGINES:
        pytest.skip("CORTEX_TEST_ENGINES leaves the server out")
    return mysql_url()


@pytest.fixture
def mysql_client(mysql_server: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The server's URL and a client code nobody else uses, whose database is destroyed afterwards."""
    code = f"t{uuid.uuid4().hex[:16]}"
    yield mysql_server, code
    engines.drop(engines.tenant_place(mysql_server, code, tmp_path))


@pytest.fixture
def tenant_code(engine_url: str, tmp_path: Path) -> Iterator[str]:
    """A client code nobody else uses. What was made under it in `engine_url` and `tmp_path` is destroyed afterwards."""
    code = f"t{uuid.uuid4().hex[:16]}"
    yield code
    engines.drop(engines.tenant_place(engine_url, code, tmp_path))


@pytest.fixture
def warehouse(engine_url: str, tenant_code: str, tmp_path: Path) -> Iterator[Warehouse]:
    """A provisioned, empty client on each engine; its state folder is `tmp_path`."""
    provision.apply(engine_url, tenant_code, tmp_path)
    with Warehouse.open(engine_url, tenant_code, tmp_path) as opened:
        yield opened


@pytest.fixture
def both_engines(tmp_path: Path) -> Iterator[list[Warehouse]]:
    """The same provisioned, empty client on every engine at once, to compare what they answer."""
    code = f"t{uuid.uuid4().hex[:16]}"
    urls = ["sqlite" if kind == "sqlite" else mysql_url() for kind in ENGINES]
    opened = []
    try:
        for url in urls:
            provision.apply(url, code, tmp_path)
            opened.append(Warehouse.open(url, code, tmp_path))
        yield opened
    finally:
        for warehouse in opened:
            warehouse.close()
        for url in urls:
            engines.drop(engines.tenant_place(url, code, tmp_path))


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return lambda: NOW


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace of its own."""
    root = tmp_path / "workspace"
    (root / "tenants").mkdir(parents=True)
    return Workspace(root)


@pytest.fixture
def shared() -> Path:
    """Real order data kept beside the repository; tests that need it are skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED
