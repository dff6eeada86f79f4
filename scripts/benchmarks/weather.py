"""The same bad weather for Cortex's HTTP client, for plain requests and for requests with Retry: who reads a list exactly?"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import json

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tests.faulty import FaultyServer, reply
from tests.rooms.test_http_weather import LIMITS, PAGES, SIZE, Storm, pages

PATIENCE = 10.0
"""Seconds after which a run of some sixty quick requests is called hung."""
TRIES = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    seeds = range(parser.parse_args().seeds)
    print(f"{PAGES} pages a run, {len(seeds)} seeds\n{'':24} {'exact':>6} {'error':>6} {'wrong':>6} {'hung':>6}")
    contenders: dict[str, Callable[[int], str]] = {
        "Cortex": lambda seed: _worded(pages(Storm(seed))),
        "requests": lambda seed: with_requests(seed, requests.Session()),
        f"requests, Retry({TRIES})": lambda seed: with_requests(seed, _retrying()),
    }
    for name, run in contenders.items():
        with ThreadPoolExecutor(6) as pool:
            ends = Counter(pool.map(run, seeds))
        print(f"{name:24} " + " ".join(f"{ends[end]:>6}" for end in ("exact", "error", "wrong", "hung")), flush=True)


def _worded(end: str) -> str:
    return "exact" if end == "exact" else "error"


def _retrying() -> requests.Session:
    session = requests.Session()
    retry = Retry(TRIES, status_forcelist=(429, 500, 502, 503), backoff_factor=0)
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session


def with_requests(seed: int, session: requests.Session) -> str:
    """The usual loop: pages until one is empty, `raise_for_status`, a timeout, what `.json()` says."""
    told = [reply(200, json.dumps([page * SIZE + i for i in range(SIZE)]).encode()) for page in range(PAGES)]
    told.append(reply(200, b"[]"))
    storm, seen, ends = Storm(seed), list[int](), list[str]()

    def read(url: str) -> None:
        try:
            page = 0
            while found := _page(session, url, page):
                seen.extend(found)
                page += 1
            ends.append("exact" if seen == list(range(PAGES * SIZE)) else "wrong")
        except (requests.RequestException, ValueError):
            ends.append("error")

    with FaultyServer(lambda _path, query: storm(told[min(int(query["page"]), PAGES)])) as server:
        reader = threading.Thread(target=read, args=(server.url,), daemon=True)
        started = time.monotonic()
        reader.start()
        reader.join(PATIENCE)
        hung = time.monotonic() - started >= PATIENCE
    return "hung" if hung else ends[0]


def _page(session: requests.Session, url: str, page: int) -> list[int]:
    answer = session.get(f"{url}/orders", params={"page": page}, timeout=(LIMITS.connect, LIMITS.read))
    answer.raise_for_status()
    found: list[int] = answer.json()
    return found


if __name__ == "__main__":
    main()
