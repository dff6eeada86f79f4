"""Roads into a warehouse: streams, straight or by way of a stage, plain INSERTs, and SQLite. All leave the same rows, and
none gives a file away."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from cortex.errors import DatabaseError
from cortex.warehouse import Transaction, Warehouse, load, provision, tables
from cortex.warehouse import engine as engines
from cortex.warehouse.engine import Place
from cortex.warehouse.load import WORTH_STREAMING
from cortex.warehouse.streaming import OFFER, REFUSED, StreamingConnection, statement
from tests.rooms.warehouse_rows import everything, key, order, row

ROWS = WORTH_STREAMING + 3
SAO_PAULO, SANTIAGO = ZoneInfo("America/Sao_Paulo"), ZoneInfo("America/Santiago")
LENGTHS = (1, 50, 5_000)
"""How often a text is repeated in a payload: the longest are some 300 KB, more than one packet of a stream."""
AWKWARD = [
    "", "\\N", "\\", "\\\\N", "N", "NULL", "\t", "a\tb", "\n", "a\nb\r\n", "'", '"', "''", "\x00", "\x00N", "\x00,\x00;",
    "\x1a", "\x08", "a,b;c", "💛", "👩‍👩‍👧", "e\u0301", "\u202e", "\ud800", "  two  ", "\u00a0", "x" * 255, "é" * 400, "%s", "{}",
]  # fmt: skip
WORDS = st.sampled_from(AWKWARD) | st.text(max_size=60) | st.text(alphabet="\\\t\n\r\x00N,;'\"", max_size=12)
MONEY = st.sampled_from(["0", "-0.00", "-12.345", "0.005", "9999999999999.99", "-0.01"]).map(Decimal) | st.decimals(
    min_value=-1_000_000, max_value=1_000_000, places=3
)
HOURS = st.sampled_from([
    # São Paulo: the hour before the gap of 2018-11-04, and both readings of 2019-02-16 23:30.
    datetime(2018, 11, 4, 2, 59, 59, 999999, UTC), datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2019, 2, 17, 1, 30, tzinfo=UTC), datetime(2019, 2, 17, 2, 30, tzinfo=UTC),
    # Santiago: both readings of 2026-04-04 23:30, and midnight of 2026-09-06, which does not exist.
    datetime(2026, 4, 5, 2, 30, tzinfo=UTC), datetime(2026, 4, 5, 3, 30, tzinfo=UTC),
    datetime(2026, 9, 6, 3, 59, 59, 999999, UTC), datetime(2026, 9, 6, 4, tzinfo=UTC),
    # The same instant told with the zone's own clock.
    datetime(2026, 4, 4, 23, 30, tzinfo=SANTIAGO), datetime(2026, 4, 4, 23, 30, fold=1, tzinfo=SANTIAGO),
    datetime(2019, 2, 16, 23, 30, tzinfo=SAO_PAULO), datetime(2019, 2, 16, 23, 30, fold=1, tzinfo=SAO_PAULO),
]) | st.datetimes(timezones=st.just(UTC), allow_imaginary=False).filter(lambda at: 1971 <= at.year < 2100)  # fmt: skip


@pytest.fixture
def roads(mysql_client: tuple[str, str], tmp_path: Path) -> Iterator[tuple[Warehouse, Warehouse]]:
    """One client's schema, opened as the product does, and opened by somebody whose server takes no streams."""
    url, code = mysql_client
    provision.apply(url, code, tmp_path)
    with Warehouse.open(url, code, tmp_path) as streaming, Warehouse.open(url, code, tmp_path) as other:
        plain = Warehouse(other._engine, other._place, code)
        yield streaming, plain


@pytest.fixture
def file(mysql_client: tuple[str, str], tmp_path: Path) -> Iterator[Warehouse]:
    """The same client in SQLite."""
    _, code = mysql_client
    provision.apply("", code, tmp_path)
    with Warehouse.open("", code, tmp_path) as warehouse:
        yield warehouse


def streams_taken(tx: Transaction) -> int:
    return int(tx.rows("SHOW SESSION STATUS LIKE 'Com_load'")[0]["Value"])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    words=st.lists(WORDS, min_size=1, max_size=8),
    money=st.lists(MONEY, min_size=1, max_size=4),
    hours=st.lists(st.none() | HOURS, min_size=1, max_size=4),
)
def test_every_road_leaves_the_same_rows(
    roads: tuple[Warehouse, Warehouse],
    file: Warehouse,
    words: list[str],
    money: list[Decimal],
    hours: list[datetime | None],
):
    names = ("number", "city", "utm_campaign", "fbc", "event_url", "coupon", "cancel_reason")
    orders = [
        order(
            i, paid=money[i % len(money)], refunded=money[-1], paid_at=hours[i % len(hours)],
            **{name: words[(i + at) % len(words)] for at, name in enumerate(names)},
        )
        for i in range(ROWS)
    ]  # fmt: skip
    raw = [
        row(
            tables.raw_ecommerce_orders,
            platform="nuvemshop",
            external_id=str(i),
            payload=words[i % len(words)] * LENGTHS[2 if i == 3 else i % 2],
        )
        for i in range(ROWS)
    ]
    items = [
        row(tables.fct_order_items, order_key=key(i % 7), line=i, name=words[i % len(words)], total=money[0])
        for i in range(ROWS)
    ]
    streaming, plain = roads
    filled = (tables.fct_orders, tables.raw_ecommerce_orders, tables.fct_order_items)
    left = {}
    for name, warehouse, unknown, streams in (
        ("stage", streaming, False, 4),
        ("straight", streaming, True, 5),  # and once more when the rows turn out to be there
        ("inserts", plain, True, 0),
        ("file", file, True, None),
    ):
        with warehouse.transaction() as tx:
            for table in filled:
                tx.delete(table, {})
            before = streams and streams_taken(tx)
            loaded = tx.upsert("fct_orders", orders, unknown=unknown), tx.upsert("raw_ecommerce_orders", raw)
            tx.rewrite("fct_order_items", "order_key", [key(i) for i in range(7)], items)
            again = tx.upsert("fct_orders", orders, unknown=unknown)
            assert streams is None or streams_taken(tx) - (before or 0) == streams
        left[name] = (loaded, again, [everything(warehouse, table) for table in filled])
    for name, found in left.items():
        assert found == left["stage"], name
    assert left["stage"][1].unchanged == ROWS, "what was written reads back as what was meant"


@pytest.mark.parametrize("there", [1, ROWS // 2])
def test_rows_taken_for_new_that_are_there_are_merged(roads: tuple[Warehouse, Warehouse], there: int):
    """Another writer was faster: its rows are updated, none is lost, none comes twice."""
    streaming, _ = roads
    streaming.atomically(lambda tx: tx.upsert("fct_orders", [order(i, city="before") for i in range(there)]))
    orders = [order(i, city="after") for i in range(ROWS)]
    loaded = streaming.atomically(lambda tx: tx.upsert("fct_orders", orders, unknown=True))
    assert (loaded.inserted, loaded.updated, loaded.unchanged) == (ROWS - there, there, 0)
    assert {one["city"] for one in everything(streaming, tables.fct_orders)} == {"after"}


@pytest.mark.parametrize("columns", [("city",), ("city", "coupon")])
def test_texts_cut_to_fit_are_counted_one_by_one(roads: tuple[Warehouse, Warehouse], columns: tuple[str, ...]):
    """Whether the rows differ or all say the same."""
    for alike in (True, False):
        orders = [
            order(i, **{column: "é" * 400 + ("" if alike else str(i)) for column in columns}) for i in range(ROWS)
        ]
        loaded = [
            warehouse.atomically(lambda tx, orders=orders: tx.upsert("fct_orders", orders)) for warehouse in roads
        ]
        assert [one.clipped for one in loaded] == [ROWS * len(columns)] * 2


def test_a_conflict_is_an_error_although_a_stream_would_skip_it(roads: tuple[Warehouse, Warehouse]):
    streaming, _ = roads
    items = [row(tables.fct_order_items, order_key=key(1), line=i) for i in range(ROWS)]
    streaming.atomically(lambda tx: tx.rewrite("fct_order_items", "order_key", [key(1)], items))
    with pytest.raises(DatabaseError) as failure:
        streaming.atomically(
            lambda tx: tx.replace("fct_order_items", {"sku": "x"}, [one | {"sku": "x"} for one in items])
        )
    assert failure.value.code == "CTX-5014"
    stored = everything(streaming, tables.fct_order_items)
    assert [(one["line"], one["sku"]) for one in stored] == [(i, "") for i in range(ROWS)], "nothing of it was kept"


def test_what_does_not_fit_is_an_error_although_a_stream_would_bend_it(roads: tuple[Warehouse, Warehouse]):
    streaming, _ = roads
    streaming.atomically(lambda tx: tx.run("ALTER TABLE fct_order_items MODIFY sku VARCHAR(2) NOT NULL"))
    items = [row(tables.fct_order_items, order_key=key(1), line=i, sku="too long") for i in range(ROWS)]
    with pytest.raises(DatabaseError) as failure:
        streaming.atomically(lambda tx: tx.rewrite("fct_order_items", "order_key", [key(1)], items))
    assert (failure.value.code, everything(streaming, tables.fct_order_items)) == ("CTX-5013", [])


def test_a_server_that_takes_no_streams_is_sent_inserts(roads: tuple[Warehouse, Warehouse]):
    _, plain = roads
    with plain.transaction() as tx:
        before = streams_taken(tx)
        assert tx.upsert("fct_orders", [order(i) for i in range(ROWS)]).inserted == ROWS
        assert streams_taken(tx) == before


OK = b"\x00\x00\x00\x02\x00\x00\x00"
SECRET = "the content of a file of this machine"


@contextmanager
def hostile_server(answer: Callable[[bytes], bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Speaks enough of MySQL's protocol to let a client in and answer its statements; keeps every byte it is sent."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def packet(connection: socket.socket) -> tuple[int, bytes]:
        head = _exactly(connection, 4)
        body = _exactly(connection, int.from_bytes(head[:3], "little"))
        heard.append(body)
        return head[3], body

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.sendall(_packet(0, _greeting()))
                    number, _ = packet(connection)
                    connection.sendall(_packet(number + 1, OK))
                    while True:
                        number, said = packet(connection)
                        connection.sendall(_packet(number + 1, answer(said[1:])))
                except (OSError, EOFError):
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _exactly(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = connection.recv(count - len(got))
        if not part:
            raise EOFError
        got += part
    return got


def _packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number % 256]) + body


def _greeting() -> bytes:
    can = 0xFFFFFFFF & ~0x800  # everything but TLS
    return (
        b"\x0a8.4.0\x00" + b"\x01\x00\x00\x00" + b"saltsalt" + b"\x00" + struct.pack("<H", can & 0xFFFF) + b"\x2d"
        + b"\x02\x00" + struct.pack("<H", can >> 16) + b"\x15" + bytes(10) + b"saltsaltsalt\x00" + b"mysql_native_password\x00"
    )  # fmt: skip


@pytest.mark.parametrize(("asking_at", "code"), [(b"", "CTX-5009"), (b"SELECT", "CTX-5023")])
def test_a_server_that_asks_for_a_file_gets_none(tmp_path: Path, asking_at: bytes, code: str):
    """Through the warehouse's own engine: in answer to the driver's very first words, and to our first question."""
    file = tmp_path / "secret"
    file.write_text(SECRET)

    def answer(said: bytes) -> bytes:
        return b"\xfb" + str(file).encode() if said.startswith(asking_at) else OK

    with hostile_server(answer) as (port, heard):
        place = Place("mysql", "cortex_x", make_url(f"mysql+pymysql://user:password@127.0.0.1:{port}"))
        engine = engines.connect(place, streams=True)
        with pytest.raises(DatabaseError) as failure, engines.writing(engine, place):
            pass
        engine.dispose()
    assert failure.value.code == code
    assert not any(SECRET.encode() in packet for packet in heard)


@pytest.mark.parametrize("name", ["/etc/hostname", "", "cortex-rows2"])
def test_even_while_rows_are_offered_no_other_name_is_served(name: str):
    def answer(said: bytes) -> bytes:
        return b"\xfb" + name.encode() if said.startswith(b"LOAD DATA") else OK

    with hostile_server(answer) as (port, heard):
        connection = _connect(port)
        with pytest.raises(pymysql.err.OperationalError) as failure, connection.offering(b"rows of ours"):
            connection.query(statement("`t`", ["`a`"]))
        assert (failure.value.args[0], connection.open) == (REFUSED, False)
    assert not any(b"rows of ours" in packet for packet in heard)


def test_rows_are_served_to_their_own_statement_only():
    """A server that asks for them in answer to a later statement gets nothing."""

    def answer(said: bytes) -> bytes:
        return b"\xfb" + OFFER.encode() if said.startswith((b"LOAD DATA", b"SELECT")) else OK

    with hostile_server(answer) as (port, heard):
        connection = _connect(port)
        with connection.offering(b"rows of ours"):
            pass
        with pytest.raises(pymysql.err.OperationalError):
            connection.query("SELECT 1")
    assert not any(b"rows of ours" in packet for packet in heard)


def _connect(port: int) -> StreamingConnection:
    return StreamingConnection(host="127.0.0.1", port=port, user="u", password="p", local_infile=True)


def test_readers_do_not_offer_the_protocol_at_all(roads: tuple[Warehouse, Warehouse]):
    streaming, _ = roads
    with streaming._engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        assert not isinstance(driver, StreamingConnection)
        assert not driver.client_flag & pymysql.constants.CLIENT.LOCAL_FILES


@pytest.mark.parametrize("awkward", [False, True])
def test_a_frame_leaves_the_rows_that_rows_leave(
    roads: tuple[Warehouse, Warehouse], file: Warehouse, awkward: bool, monkeypatch: pytest.MonkeyPatch
):
    words = ["", "é, \"x'", "💛", "x" * 128, "NULL"]
    if awkward:
        words = [word.encode("utf-8", "replace").decode() for word in AWKWARD]
    touches = [
        row(
            tables.fct_touchpoints, order_key=key(i), position=i % 300, source=words[i % len(words)],
            campaign=words[-1 - i % len(words)], occurred_at=None if i % 3 else datetime(2026, 3, 1, 2, 3, 4, i, UTC),
        )
        for i in range(ROWS)
    ]  # fmt: skip
    credits_ = [
        row(
            tables.fct_attribution, order_key=key(i), model="linear", position=1, weight=Decimal(i) / 7,
            attributed_revenue=Decimal(i * 100 - 700) / 3, channel="meta",
        )
        for i in range(ROWS)
    ]  # fmt: skip
    straight: list[bool] = []
    written = load.streaming.written
    monkeypatch.setattr(
        load.streaming, "written", lambda *given: straight.append(written(*given) is not None) or written(*given)
    )
    for warehouse in (*roads, file):
        for table, rows in ((tables.fct_touchpoints, touches), (tables.fct_attribution, credits_)):
            with warehouse.transaction() as tx:
                tx.delete(table, {})
                tx.replace(table, {}, rows)
            before = everything(warehouse, table)
            frame = warehouse.frame(f"SELECT * FROM {table.name}")
            if table is tables.fct_touchpoints and awkward:
                told = {one["order_key"]: one for one in touches}
                frame = frame.with_columns(source=pl.Series([told[at]["source"] for at in frame["order_key"]]))
            with warehouse.transaction() as tx:
                tx.delete(table, {})
                assert tx.append(table, frame) == ROWS
            assert everything(warehouse, table) == before
    assert straight == [not awkward, True], (
        "only a client whose server streams is asked, only what is odd looked at twice"
    )


def test_a_frame_whose_rows_are_stored_or_unfit_is_refused(roads: tuple[Warehouse, Warehouse]):
    streaming, _ = roads
    rows = [row(tables.fct_touchpoints, order_key=key(i), position=1, channel="meta") for i in range(ROWS)]
    with streaming.transaction() as tx:
        tx.replace(tables.fct_touchpoints, {}, rows)
    frame = streaming.frame("SELECT * FROM fct_touchpoints")
    with pytest.raises(DatabaseError, match="stored already"), streaming.transaction() as tx:
        tx.append(tables.fct_touchpoints, frame)
    large = frame.with_columns(position=pl.lit(70_000), order_key=pl.col("order_key").str.head(63) + "y")
    with pytest.raises(DatabaseError, match="does not fit"), streaming.transaction() as tx:
        tx.append(tables.fct_touchpoints, large)
    assert len(streaming.frame("SELECT * FROM fct_touchpoints")) == ROWS
