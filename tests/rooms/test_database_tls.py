"""A server beyond this machine: TLS by the URL alone, and users made over TLS that are let in over nothing else."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cortex.errors import DatabaseError
from cortex.warehouse import Warehouse, accounts, engine, provision

SERVER = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
INSTALLER = shutil.which("mariadb-install-db")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (SERVER and INSTALLER), reason="no MariaDB server program on this machine"),
]


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority of our own, and a certificate of it for 127.0.0.1 with its key."""
    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, said)]) for said in ("authority", "127.0.0.1")]
    made = []
    for at in range(2):
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[at])
            .issuer_name(names[0])
            .public_key(keys[at].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=at == 0, path_length=None), critical=True)
        )
        if at:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
            )
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    paths = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    key = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for path, content in zip(paths, (*made, key), strict=True):
        path.write_bytes(content)
    return paths


@pytest.fixture
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A private server with a certificate: its URL without any TLS, and the authority's file."""
    assert SERVER
    assert INSTALLER
    folder = tmp_path_factory.mktemp("tls")
    authority, certificate, key = certificates(folder)
    me, data = getpass.getuser(), folder / "data"
    subprocess.run(
        [INSTALLER, "--no-defaults", f"--user={me}", f"--datadir={data}", "--skip-test-db",
         "--auth-root-authentication-method=normal"], check=True, capture_output=True,
    )  # fmt: skip
    start = folder / "init.sql"
    start.write_text(
        "CREATE USER 'cortex'@'127.0.0.1' IDENTIFIED BY 'of-the-tls-server';\n"
        "GRANT ALL PRIVILEGES ON *.* TO 'cortex'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [SERVER, "--no-defaults", f"--user={me}", f"--datadir={data}", f"--socket={folder / 's'}",
             f"--pid-file={folder / 'pid'}", f"--init-file={start}", "--bind-address=127.0.0.1", f"--port={port}",
             "--skip-name-resolve", "--skip-log-bin", f"--ssl-cert={certificate}", f"--ssl-key={key}"],
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        for _ in range(600):
            if "ready for connections" in log.read_text() or process.poll() is not None:
                break
            time.sleep(0.1)
        assert "ready for connections" in log.read_text(), log.read_text()
        yield f"mysql+pymysql://cortex:of-the-tls-server@127.0.0.1:{port}", authority
    finally:
        process.terminate()
        process.wait(30)


def test_users_made_over_tls_come_in_over_tls_alone(tls_server: tuple[str, Path], tmp_path: Path) -> None:
    bare, authority = tls_server
    url = f"{bare}?ssl_ca={authority}"
    assert len(accounts.ensure(url, "xyz", tmp_path).changes) == 2
    assert sum("REQUIRE SSL" in line for line in accounts.statements(url, "xyz", tmp_path)) == 2
    provision.apply(url, "xyz", tmp_path)
    with Warehouse.open(url, "xyz", tmp_path) as warehouse:
        assert warehouse.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0]["Value"]
    assert accounts.ensure(url, "xyz", tmp_path) == accounts.Ensured()
    plain = f"{bare}?ssl_disabled=true"
    with engine.server(engine.tenant_place(plain, "xyz", tmp_path)):
        pass  # the configured user was made without that demand
    with pytest.raises(DatabaseError) as refused:
        Warehouse.open(plain, "xyz", tmp_path)
    assert refused.value.code == "CTX-5022"


def test_a_url_that_names_no_authority_speaks_tls_all_the_same(tls_server: tuple[str, Path], tmp_path: Path) -> None:
    bare, _ = tls_server
    with engine.server(engine.tenant_place(bare, "xyz", tmp_path)) as connection:
        assert connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'").one()[1]


def test_a_server_with_another_certificate_is_not_spoken_to(tls_server: tuple[str, Path], tmp_path: Path) -> None:
    bare, _ = tls_server
    stranger, _, _ = certificates(tmp_path)
    with pytest.raises(DatabaseError) as refused:
        provision.plan(f"{bare}?ssl_ca={stranger}", "xyz", tmp_path)
    assert refused.value.code == "CTX-5001"
    assert "of-the-tls-server" not in f"{refused.value} {refused.value.fix}"
