"""The migrations make what tables.py says, on every engine, however often they were interrupted."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, UniqueConstraint, inspect

from cortex.errors import DatabaseError
from cortex.warehouse import Warehouse, dictionary, migrate, schema, tables, views
from cortex.warehouse import engine as engines
from cortex.warehouse.engine import Place
from cortex.warehouse.read import _relations

SCHEMAS = [
    pytest.param(tables.TENANT, migrate.tenant_migrations, id="tenant"),
    pytest.param(tables.CONTROL, migrate.control_migrations, id="control"),
]


@pytest.fixture
def place(engine_url: str, tenant_code: str, tmp_path: Path) -> Place:
    """An empty schema."""
    place = engines.tenant_place(engine_url, tenant_code, tmp_path)
    engines.create(place)
    return place


@pytest.fixture
def engine(place: Place) -> Iterator[Engine]:
    engine = engines.connect(place)
    yield engine
    engine.dispose()


def shape(engine: Engine) -> dict[str, object]:
    """Everything reflection knows of a schema: columns, types, nullability, keys, indexes, collations."""
    found = inspect(engine)
    return {
        name: {
            "columns": [
                (c["name"], c["type"].compile(engine.dialect), c["nullable"], c["default"])
                for c in found.get_columns(name)
            ],
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "indexes": sorted(
                (i["name"], tuple(i["column_names"]), bool(i["unique"])) for i in found.get_indexes(name)
            ),
            "unique": found.get_unique_constraints(name) if engine.dialect.name == "sqlite" else [],
            "foreign": found.get_foreign_keys(name),
        }
        for name in sorted(found.get_table_names())
    }


@pytest.mark.parametrize(("metadata", "migrations"), SCHEMAS)
def test_replayed_migrations_are_what_tables_say(metadata: MetaData, migrations, place: Place, engine: Engine):
    metadata.create_all(engine)
    wanted = shape(engine)
    metadata.drop_all(engine)

    migrate.apply(engine, place, migrations())

    assert shape(engine) == wanted
    assert set(wanted) == {table.name for table in metadata.tables.values()}


def test_the_comparison_would_see_a_difference(place: Place, engine: Engine):
    migrate.apply(engine, place, migrate.tenant_migrations())
    before = shape(engine)
    with engines.writing(engine, place) as connection:
        connection.exec_driver_sql(
            "DROP INDEX ix_fct_refunds_date" + (" ON fct_refunds" if "mysql" in place.dialect else "")
        )
    assert shape(engine) != before


def statements(folder: Path) -> list[str]:
    return [migration.source("") for migration in migrate.read(folder)]


def cut(source: str, keep: int) -> str:
    """The migration as it would be if the server had died before statement `keep`."""
    parts = re.split(r"(?<=;)\n", source)
    return "\n".join([*parts[:keep], "SELECT nothing FROM nowhere;"])


def test_a_migration_interrupted_at_any_statement_can_be_finished(place: Place, engine: Engine, tmp_path: Path):
    [whole] = migrate.tenant_migrations()
    migrate.apply(engine, place, [whole])
    wanted = shape(engine)
    count = len(whole.statements(place.dialect))
    for keep in range(0, count, 1 if place.dialect == "sqlite" else 7):
        tables.TENANT.drop_all(engine)
        broken = migrate.Migration(whole.version, whole.name, {"": cut(whole.source(""), keep)})
        with pytest.raises(DatabaseError, match=f"failed at statement {keep + 1}") as failure:
            migrate.apply(engine, place, [broken])
        assert failure.value.code == "CTX-5015"

        assert [each.version for each in migrate.apply(engine, place, [whole])] == ["0001"]
        assert shape(engine) == wanted
        assert migrate.apply(engine, place, [whole]) == []


def later(folder: Path, **files: str) -> list[migrate.Migration]:
    folder.mkdir(exist_ok=True)
    (folder / "0001_initial.sql").write_text(migrate.tenant_migrations()[0].source(""), encoding="utf-8")
    for name, source in files.items():
        (folder / (name.replace("__", ".") + ".sql")).write_text(source, encoding="utf-8")
    return migrate.read(folder)


def test_an_interrupted_second_migration_goes_on_where_it_stopped(place: Place, engine: Engine, tmp_path: Path):
    steps = ["ALTER TABLE fct_orders ADD COLUMN gift SMALLINT;", "CREATE INDEX ix_gift ON fct_orders (gift);"]
    broken = later(tmp_path / "m", **{"0002_gifts": "\n".join([*steps, "DROP TABLE nowhere_at_all;"])})
    with pytest.raises(DatabaseError, match="0002_gifts failed at statement 3"):
        migrate.apply(engine, place, broken)

    mended = later(tmp_path / "m", **{"0002_gifts": "\n".join(steps)})
    assert [each.version for each in migrate.apply(engine, place, mended)] == ["0002"]
    assert "gift" in {column["name"] for column in inspect(engine).get_columns("fct_orders")}
    assert migrate.apply(engine, place, mended) == []


def test_a_second_attempt_passes_over_nothing_but_what_is_already_there(place: Place, engine: Engine, tmp_path: Path):
    wrong = later(tmp_path / "m", **{"0002_x": "CREATE TABLE x (a INTEGER);\nALTER TABLE fct_orders ADD CONSTRAINT;"})
    for _ in range(2):
        with pytest.raises(DatabaseError, match="0002_x failed at statement 2"):
            migrate.apply(engine, place, wrong)


def test_a_first_attempt_does_not_pass_over_what_is_already_there(place: Place, engine: Engine, tmp_path: Path):
    twice = later(tmp_path / "m", **{"0002_again": "CREATE TABLE fct_orders (a INTEGER);"})
    with pytest.raises(DatabaseError, match="0002_again failed at statement 1"):
        migrate.apply(engine, place, twice)


def test_a_migration_for_one_engine_is_noted_by_the_others(place: Place, engine: Engine, tmp_path: Path):
    other = "sqlite" if place.dialect == "mysql" else "mysql"
    both = later(tmp_path / "m", **{f"0002_x__{other}": "NOT EVEN SQL;", "0003_y": "CREATE TABLE y (a INTEGER);"})
    assert [each.version for each in migrate.apply(engine, place, both)] == ["0001", "0002", "0003"]
    assert inspect(engine).has_table("y")


def test_an_edited_migration_is_refused(place: Place, engine: Engine, tmp_path: Path):
    migrations = later(tmp_path / "m", **{"0002_y": "CREATE TABLE y (a INTEGER);"})
    migrate.apply(engine, place, migrations)
    edited = later(tmp_path / "m", **{"0002_y": "CREATE TABLE y (a BIGINT);"})
    with pytest.raises(DatabaseError, match="0002_y was edited") as failure:
        migrate.apply(engine, place, edited)
    assert failure.value.code == "CTX-5006"


def test_a_schema_newer_than_the_code_is_refused_with_both_versions(place: Place, engine: Engine, tmp_path: Path):
    migrate.apply(engine, place, later(tmp_path / "m", **{"0002_y": "CREATE TABLE y (a INTEGER);"}))
    with pytest.raises(DatabaseError, match=r"version 0002.*up to 0001") as failure:
        migrate.apply(engine, place, migrate.tenant_migrations())
    assert failure.value.code == "CTX-5005"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (["0003_c"], "0002 is missing"),
        (["0002_b", "0002_c"], "0002 is used twice"),
        (["0002_b", "0002_b__mysql"], "0002 is used twice"),
        (["2_b"], "not named NNNN_name.sql"),
    ],
)
def test_numbers_out_of_order_are_refused(files: list[str], why: str, tmp_path: Path):
    with pytest.raises(DatabaseError, match=why) as failure:
        later(tmp_path / "m", **dict.fromkeys(files, "SELECT 1;"))
    assert failure.value.code == "CTX-5007"


def test_semicolons_in_text_and_comments_do_not_split_statements():
    source = "-- a; comment\nINSERT INTO x VALUES ('a;b', 'it''s; -- no'); -- tail;\nDELETE FROM y;"
    migration = migrate.Migration("0001", "x", {"": source})
    assert migration.statements("mysql") == ["INSERT INTO x VALUES ('a;b', 'it''s; -- no')", "DELETE FROM y"]


def test_generated_files_are_up_to_date():
    assert schema.main(["--check"]) == 0
    assert dictionary.main(["--check"]) == 0


def test_no_table_asks_for_what_some_servers_lack():
    for metadata in (tables.TENANT, tables.CONTROL):
        for table in metadata.tables.values():
            assert table.primary_key.columns, table.name
            assert not table.foreign_keys, table.name
            assert not [one for one in table.constraints if isinstance(one, UniqueConstraint)], table.name
            assert not [column.name for column in table.columns if column.autoincrement is True], table.name


def test_every_view_column_is_declared_and_typed(warehouse: Warehouse):
    assert {view.name for view in views.bundled_views()} >= {
        "rpt_daily_performance", "rpt_channel_performance", "rpt_campaign_performance", "rpt_ltv_cohort",
        "rpt_conversion_delivery", "rpt_orders_by_status", "rpt_payments", "rpt_reconciliation",
        "rpt_data_freshness", "rpt_transactions",
    }  # fmt: skip
    for view in views.bundled_views():
        assert warehouse.frame(f"SELECT * FROM {view.name}").columns == [column.name for column in view.columns]


PER_BUYER = {"rpt_customer_predictions"}
"""Views with a row for each buyer: by their pseudonym, and nothing else of theirs."""


def test_no_view_shows_who_a_buyer_is():
    """Order references and towns are for reports; what recognises a browser or a person is not."""
    hidden: dict[str, set[str]] = {}
    for table in tables.TENANT.tables.values():
        for column in table.columns:
            if dictionary.personal(column) not in {"none", "order reference", "quasi-identifier"}:
                hidden.setdefault(column.name, set()).add(dictionary.personal(column))
    assert {"gclid", "fbp", "alias", "identifiers", "customer_key"} <= hidden.keys()
    for view in views.bundled_views():
        shown = {column.name for column in view.columns} & hidden.keys()
        assert shown <= ({"customer_key"} if view.name in PER_BUYER else set()), view.name


def test_every_column_says_what_it_means():
    for name, columns in _relations().items():
        assert columns, name
    for metadata in (tables.TENANT, tables.CONTROL):
        for table in metadata.tables.values():
            assert table.info["meaning"], table.name
            assert all(column.info["meaning"] for column in table.columns), table.name


HOLDS = {
    "gclid": "online identifier", "gbraid": "online identifier", "wbraid": "online identifier", "fbc": "online identifier",
    "fbp": "online identifier", "fbclid": "online identifier", "ttclid": "online identifier",
    "ttp": "online identifier",
    "msclkid": "online identifier", "click_id": "online identifier", "alias": "pseudonym", "postal_prefix": "quasi-identifier",
    "order_ref": "order reference", "record_key": "order reference", "identifiers": "digests, IP, user agent",
    "tombstone": "tombstone", "customer_key": "pseudonym",
}  # fmt: skip
"""Columns whose names say what is in them, wherever they stand."""
NOBODYS = {("erased_orders", "customer_key"), ("dim_geolocation", "postal_prefix")}
"""Drawn when an order is erased; a place by itself."""


def test_every_column_has_type_meaning_source_personal_class_and_retention():
    """DOC-03: the dictionary leaves no cell of any column empty, and no identifier is called nobody's."""
    columns = [
        column for of in (tables.TENANT, tables.CONTROL) for table in of.tables.values() for column in table.columns
    ]
    assert len(columns) > 400
    for column in columns:
        told = (
            dictionary.kind(column), column.info["meaning"], dictionary.source(column), dictionary.personal(column),
            dictionary.retention(column),
        )  # fmt: skip
        assert all(told), (column.table.name, column.name, told)
        assert dictionary.personal(column) in dictionary.CLASSES, (column.table.name, column.name)
        at = (column.table.name, column.name)
        assert at in NOBODYS or HOLDS.get(column.name, dictionary.personal(column)) == dictionary.personal(column), at
    text = dictionary.text()
    assert all(f"*{name}*" in text for name in dictionary.CLASSES), "the introduction explains every class"
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(columns) + sum(len(view.columns) for view in views.bundled_views())
    empty = {line for line in rows for at, cell in enumerate(line.split("|")[1:-1]) if not cell.strip() and at != 2}
    assert empty == set()


CODES = re.compile(r"\W*[\w<>]+(?:\s*[,/:.+-]+\s*[\w<>]+)*\W*|ISO \d+\.")
"""What needs no translation: codes one after the other, or a formula of column names."""


def test_the_portuguese_dictionary_says_it_all_in_portuguese():
    lang = dictionary.portuguese()
    said = {view.title: view.name for view in views.bundled_views()}
    said |= {column.meaning: view.name for view in views.bundled_views() for column in view.columns}
    words: set[str] = set()
    for metadata in (tables.TENANT, tables.CONTROL):
        for table in metadata.tables.values():
            said[str(table.info["meaning"])] = table.name
            for column in table.columns:
                said[str(column.info["meaning"])] = f"{table.name}.{column.name}"
                words |= {dictionary.personal(column), dictionary.retention(column)}
    missing = {one: at for one, at in said.items() if one not in lang.sentences and not CODES.fullmatch(one)}
    assert missing == {}, "add them to cortex/warehouse/dictionary.pt-BR.yaml"
    assert {word for word in words if word not in lang.words and not word.startswith("privacy.")} == set()
    assert all(f"*{lang.word(name)}*" in lang.introduction for name in dictionary.CLASSES)
    assert len(dictionary.text(lang).splitlines()) == len(dictionary.text().splitlines()) - (
        len(dictionary.INTRODUCTION.splitlines()) - len(lang.introduction.splitlines())
    )


def test_a_view_without_a_header_is_refused(tmp_path: Path):
    file = tmp_path / "rpt_x.sql"
    file.write_text("SELECT 1 AS a", encoding="utf-8")
    with pytest.raises(ValueError, match="needs a title"):
        views.parse(file)
    file.write_text("-- title: X\n-- grain: x\n-- columns:\n--   a  number  A.\nSELECT 1 AS a", encoding="utf-8")
    with pytest.raises(ValueError, match="number"):
        views.parse(file)


def test_schema_file_alone_makes_the_same_schema(place: Place, engine: Engine):
    migrate.apply(engine, place, migrate.tenant_migrations())
    wanted = shape(engine)
    tables.TENANT.drop_all(engine)
    whole = migrate.Migration("0001", "schema", {"": schema.tenant_schema()})
    with engines.writing(engine, place) as connection:
        for statement in whole.statements(place.dialect):
            connection.exec_driver_sql(statement)
    assert shape(engine) == wanted
    assert set(inspect(engine).get_view_names()) == {view.name for view in views.bundled_views()}


def test_provisioned_schema_is_what_tables_say(warehouse: Warehouse):
    assert set(inspect(warehouse._engine).get_table_names()) == set(tables.TENANT.tables)


def test_every_table_is_read_by_a_view_or_by_a_statement_of_the_commands():
    """Nothing is stored that nobody ever looks at; deleting is not looking."""
    selects = "\n".join(view.select for view in views.bundled_views())
    package = Path(views.__file__).parents[1]
    files = [file for file in package.rglob("*.py") if file.name != "tables.py" and "sandbox" not in file.parts]
    written = re.sub(r"DELETE FROM \S+", "", "\n".join(file.read_text(encoding="utf-8") for file in files))
    names = [name for metadata in (tables.TENANT, tables.CONTROL) for name in metadata.tables]

    def is_read(name: str) -> bool:
        return bool(re.search(rf"(FROM|JOIN)\s+{name}\b|select\((tables\.)?{name}\b", selects + written))

    assert [name for name in names if not is_read(name)] == []
    assert not is_read("fct_nothing")
