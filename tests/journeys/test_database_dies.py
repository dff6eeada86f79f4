"""The database server killed in the middle of runs, and sessions cut off: after it is back, one plain run mends everything."""

from __future__ import annotations

import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest

from tests.journeys import agency as agencies
from tests.journeys.test_crashes import Laboratory
from tests.journeys.zygote import Zygote

pytestmark = pytest.mark.slow
KILLS, CUTS = 6, 6
PASSWORD = "only-for-this-test"


def program(*names: str) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"
    found = next((found for name in names if (found := shutil.which(name, path=path))), None)
    if found is None:
        pytest.skip(f"none of {', '.join(names)} is installed")
    return found


@dataclass
class Server:
    """A MariaDB of this test's own, durable as in production, that may be killed."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mysql+pymysql://cortex:{PASSWORD}@127.0.0.1:{self.port}"

    def start(self) -> None:
        init = self.folder / "init.sql"
        init.write_text(
            f"CREATE USER IF NOT EXISTS 'cortex'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL PRIVILEGES ON *.* TO 'cortex'@'127.0.0.1' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )
        options = [
            "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self.folder / 'data'}", f"--init-file={init}",
            f"--socket={self.folder / 's'}", f"--pid-file={self.folder / 'pid'}", "--bind-address=127.0.0.1",
            f"--port={self.port}", "--skip-name-resolve", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=1",
            "--performance-schema=OFF",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([program("mariadbd"), *options], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self.answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text(errors="replace")[-2000:]
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            self.session().close()
        except pymysql.MySQLError:
            return False
        return True

    def session(self) -> pymysql.Connection:  # type: ignore[type-arg]
        return pymysql.connect(host="127.0.0.1", port=self.port, user="cortex", password=PASSWORD, autocommit=True)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def cut_everyone_off(self) -> int:
        """End every other session, as a proxy or an impatient administrator does. Returns how many."""
        with closing(self.session()) as own, own.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE user = 'cortex' AND id <> CONNECTION_ID()"
            )
            others = [row[0] for row in cursor.fetchall()]
            for other in others:
                try:
                    cursor.execute(f"KILL CONNECTION {int(other)}")
                except pymysql.MySQLError:
                    continue  # it was gone already
        return len(others)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    install = [program("mariadb-install-db", "mysql_install_db"), "--no-defaults", f"--user={getpass.getuser()}"]
    subprocess.run(
        [*install, f"--datadir={folder / 'data'}", "--skip-test-db", "--auth-root-authentication-method=normal"],
        check=True, capture_output=True,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(folder, port)
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def laboratory(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    folder = tmp_path_factory.mktemp("dying")
    market = agencies.market(orders=120)
    with (
        closing(agencies.found(folder / "agency", market, database=server.url)) as agency,
        Zygote(folder / "said") as zygote,
    ):
        built = Laboratory(agency, zygote, agency.first)
        agency.onboarded(built.code)
        built.observe(folder)
        yield built


def test_the_server_is_killed_in_the_middle_of_runs(server: Server, laboratory: Laboratory) -> None:
    dice = random.Random(5)
    codes = []
    for _ in range(KILLS):
        laboratory.begin_again()
        child = laboratory.start()
        time.sleep(dice.uniform(0.1, 0.9) * laboratory.seconds)
        server.kill()
        codes.append(child.wait())
        server.start()
        laboratory.mended("the server's death")
    assert set(codes) <= {0, 5}, codes
    assert 5 in codes


def test_sessions_are_cut_off_in_the_middle_of_runs(server: Server, laboratory: Laboratory) -> None:
    dice = random.Random(6)
    codes, cut = [], 0
    for _ in range(CUTS):
        laboratory.begin_again()
        child = laboratory.start()
        time.sleep(dice.uniform(0.2, 0.9) * laboratory.seconds)
        cut += server.cut_everyone_off()
        codes.append(child.wait())
        laboratory.mended("a lost session")
    assert cut > 0
    assert set(codes) <= {0, 5}, codes
