"""Runs on the workers of a Dask scheduler over TLS: one worker is killed, and everything is done once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from cortex.warehouse import Control
from tests.journeys.agency import Agency, clean_environment

pytest.importorskip("distributed", reason="the extra `distributed` is not installed")
pytestmark = pytest.mark.slow
DAYS = ("--days", "3")


@dataclass
class Papers:
    """PEM files of an authority, and of a certificate it signed for 127.0.0.1."""

    ca: Path
    certificate: Path
    key: Path

    @property
    def options(self) -> list[str]:
        return ["--tls-ca-file", str(self.ca), "--tls-cert", str(self.certificate), "--tls-key", str(self.key)]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CORTEX_SCHEDULER_CA": str(self.ca),
            "CORTEX_SCHEDULER_CERT": str(self.certificate),
            "CORTEX_SCHEDULER_KEY": str(self.key),
        }


def papers(folder: Path) -> Papers:
    """An authority of this test's own."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(parents=True)
    now = datetime.now(UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def made(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey) -> bytes:
        is_ca = subject == issuer
        built = (
            x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        )  # fmt: skip
        return built.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    found = Papers(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    found.ca.write_bytes(made("authority", "authority", authority, authority))
    found.certificate.write_bytes(made("cortex", "authority", own, authority))
    found.key.write_bytes(
        own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    found.key.chmod(0o600)
    return found


@dataclass
class Site:
    """A scheduler on loopback and its workers, each a process of its own."""

    address: str
    papers: Papers
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def site(folder: Path, agency: Agency, workers: int) -> Iterator[Site]:
    found = papers(folder / "papers")
    said, file = folder / "site.log", folder / "scheduler.json"
    environment = clean_environment() | agency.environment | {"CORTEX_WORKSPACE": str(agency.root)}
    with ExitStack() as stack:
        log = stack.enter_context(said.open("wb"))

        def start(program: str, *words: str) -> subprocess.Popen[bytes]:
            options = ["-m", f"distributed.cli.{program}", *words, *found.options, "--no-dashboard"]
            process = subprocess.Popen([sys.executable, *options], stdout=log, stderr=log, env=environment)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        scheduler = start("dask_scheduler", "--host", "tls://127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        until(file.is_file)
        address = json.loads(file.read_text())["address"]
        hands = [
            start("dask_worker", address, "--no-nanny", "--nthreads", "1", "--local-directory", str(folder / "scratch"))
            for _ in range(workers)
        ]
        until(lambda: said.read_text(errors="replace").count("Starting established connection") >= 2 * workers or
              said.read_text(errors="replace").count("Registered to") >= workers)  # fmt: skip
        yield Site(address, found, scheduler, hands)


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def rows(agency: Agency, code: str) -> list[dict[str, object]]:
    with Control.open(agency.database, agency.state) as control:
        return control.runs(code)


def test_of_two_workers_over_tls_one_is_killed_and_everything_is_done_once(agency: Agency, tmp_path: Path) -> None:
    agency.onboarded()
    for code in agency.codes:
        agency.ok("run", "daily", code, *DAYS)
    undisturbed = {code: agency.dump(code) for code in agency.codes}
    with site(tmp_path / "site", agency, 2) as there:
        agency.environment |= there.papers.environment
        asked = agency.process(
            "run", "daily", "--all", *DAYS, "--engine", "dask", "--scheduler", there.address, "--json"
        )
        running: list[str] = []

        def both_begun() -> bool:
            running[:] = [
                str(row["host"]) for code in agency.codes for row in rows(agency, code) if row["status"] == "running"
            ]
            return len(running) == 2

        until(both_begun)
        assert {int(host.rpartition(":")[2]) for host in running} == {worker.pid for worker in there.workers}
        os.kill(there.workers[0].pid, signal.SIGKILL)
        out, err = asked.communicate(timeout=120)
    assert asked.returncode == 0, out + err
    said = {each["client"]: each for each in json.loads(out)["data"]}
    assert {code: said[code]["status"] for code in agency.codes} == dict.fromkeys(agency.codes, "ok")
    attempts = []
    for code in agency.codes:
        newest = rows(agency, code)[0]
        assert (newest["run_id"], newest["status"]) == (said[code]["run_id"], "ok")
        with Control.open(agency.database, agency.state) as control:
            attempts += [step["attempt"] for step in control.steps(str(newest["run_id"]))]
        assert agency.dump(code)["fct_orders"] == undisturbed[code]["fct_orders"]
        for platform in ("meta", "data_manager"):
            agency.once_each(code, platform)
    assert max(attempts) <= 2
    assert _no_secret_in((tmp_path / "site" / "site.log").read_text(errors="replace") + err, agency)


def test_a_scheduler_that_dies_leaves_the_runs_to_any_worker(small: Agency, tmp_path: Path) -> None:
    code = small.first
    small.onboarded(code)
    with site(tmp_path / "site", small, 1) as there:
        small.environment |= there.papers.environment
        words = ("run", "daily", code, *DAYS, "--engine", "dask", "--scheduler", there.address)
        asked = small.process(*words)
        until(lambda: [row["status"] for row in rows(small, code)] == ["running"])
        for process in (there.scheduler, *there.workers):
            os.kill(process.pid, signal.SIGKILL)
        _, err = asked.communicate(timeout=120)
        assert asked.returncode == 1, err
        assert "CTX-5107" in err
        refused = small.cortex(*words)
        assert (refused.code, "CTX-5106" in refused.err) == (1, True)
    small.ok("worker", "--drain")
    (row,) = rows(small, code)
    assert row["status"] == "ok"
    for platform in ("meta", "data_manager"):
        small.once_each(code, platform)


def test_a_stranger_is_not_listened_to(small: Agency, tmp_path: Path) -> None:
    small.onboarded(small.first)
    with site(tmp_path / "site", small, 0) as there:
        small.environment |= papers(tmp_path / "strangers").environment
        said = small.cortex("run", "daily", small.first, "--engine", "dask", "--scheduler", there.address, as_json=True)
    assert (said.code, said.envelope["error"]["code"]) == (1, "CTX-5106")
    assert rows(small, small.first) == [], "nothing is left behind for a scheduler that never heard of it"


def _no_secret_in(text: str, agency: Agency) -> bool:
    secrets = [
        line.partition("=")[2] for line in (agency.root / ".env").read_text().splitlines() if line.startswith("CORTEX_")
    ]
    assert secrets
    return not any(secret in text for secret in secrets if len(secret) >= 8)
