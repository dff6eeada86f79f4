"""What one pass of a contender cost: wall, CPU here and in the server, peak memory; one line of JSON to the harness."""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path

from sqlalchemy import create_engine


class Meter:
    """Started before a pass, told the number of orders after it. The server's CPU is known where it runs beside us."""

    def __init__(self, database: str) -> None:
        self._server = _server(database)

    def start(self) -> None:
        self._used, self._wall, self._served = _used(), time.monotonic(), self._serving()

    def stop(self, orders: int) -> None:
        wall, cpu, served = time.monotonic() - self._wall, _used() - self._used, self._serving()
        server = None if served is None or self._served is None else served - self._served
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"orders": orders, "wall": wall, "cpu": cpu, "server": server, "rss": rss}), flush=True)

    def _serving(self) -> float | None:
        """Seconds of CPU the server has used so far."""
        if self._server is None:
            return None
        fields = (self._server / "stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _server(database: str) -> Path | None:
    """The server's folder in /proc, where there is one."""
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            file = Path(str(connection.exec_driver_sql("SELECT @@pid_file").scalar()))
        process = Path("/proc") / file.read_text().strip()
        return process if (process / "stat").exists() else None
    except OSError:
        return None
    finally:
        engine.dispose()
