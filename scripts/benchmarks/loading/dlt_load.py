"""dlt loads a shop: its REST source, merged by primary key into the three tables of `three_tables`, as it comes.

Runs in a virtual environment of its own. Lines travel inside their order, as dlt means it, and become a table of their
own; with every field of the JSON it would make several tables more, and take longer. Its SQLAlchemy destination makes
no primary keys unless asked, which spares its first load their upkeep: left so.
"""

import argparse
import os
import tempfile
import time

from meter import Meter
from three_tables import rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shop")
    parser.add_argument("database")
    parser.add_argument("pages", type=int)
    parser.add_argument("--passes", type=int, default=1)
    asked = parser.parse_args()
    home = tempfile.mkdtemp()
    os.environ.update(
        DLT_DATA_DIR=home, RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR",
    )  # fmt: skip
    import dlt
    import sqlalchemy
    from dlt.sources.rest_api import rest_api_resources

    name = f"bench_dlt_{time.time_ns():x}"
    server = sqlalchemy.create_engine(asked.database)
    with server.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))

    @dlt.source
    def shop() -> list:
        (told,) = rest_api_resources({
            "client": {"base_url": f"{asked.shop}/2025-03/1/"},
            "resources": [{
                "name": "told",
                "endpoint": {
                    "path": "orders", "params": {"everything": "1", "per_page": 200},
                    "paginator": {
                        "type": "page_number", "base_page": 1, "total_path": None, "maximum_page": asked.pages + 1,
                    },
                },
            }],
        })  # fmt: skip

        @dlt.transformer(data_from=told, primary_key="id", write_disposition="merge")
        def orders(page: list) -> list:
            return [order | {"items": items} for order, items, _ in map(rows, page)]

        @dlt.transformer(data_from=told, primary_key="id", write_disposition="merge")
        def customers(page: list) -> list:
            return [customer for _, _, customer in map(rows, page)]

        return [orders, customers]

    meter = Meter(asked.database)
    for _ in range(asked.passes):
        pipeline = dlt.pipeline(
            "bench", destination=dlt.destinations.sqlalchemy(f"{asked.database}/{name}"), dataset_name=name,
            pipelines_dir=home,
        )  # fmt: skip
        meter.start()
        pipeline.run(shop())
        with server.begin() as connection:
            count = connection.execute(sqlalchemy.text(f"SELECT COUNT(*) FROM {name}.orders")).scalar()
        meter.stop(count)
    with server.begin() as connection:
        connection.execute(sqlalchemy.text(f"DROP DATABASE {name}"))


if __name__ == "__main__":
    main()
