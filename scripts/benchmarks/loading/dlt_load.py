"""dlt loads a shop: its REST source, merged by primary key into orders, their lines and customers, on MariaDB, as it comes.

Runs in a virtual environment of its own. Only the columns the three tables need are kept, which is the faster of the
two ways to use it: with every field of the JSON it makes several tables more.
"""

import argparse
import json
import os
import resource
import tempfile
import time

ORDER = (
    "id", "number", "status", "payment_status", "currency", "subtotal", "discount", "shipping_cost_customer", "total",
    "created_at", "updated_at", "paid_at", "landing_url",
)  # fmt: skip
ITEM = ("id", "product_id", "sku", "name", "price", "quantity")
BUYER = ("id", "email")


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
            return [
                {field: order[field] for field in ORDER} | {
                    "customer_id": order["customer"]["id"],
                    "items": [{field: item[field] for field in ITEM} for item in order["products"]],
                }
                for order in page
            ]  # fmt: skip

        @dlt.transformer(data_from=told, primary_key="id", write_disposition="merge")
        def customers(page: list) -> list:
            return [{field: order["customer"][field] for field in BUYER} for order in page]

        return [orders, customers]

    used, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    for _ in range(asked.passes):
        pipeline = dlt.pipeline(
            "bench", destination=dlt.destinations.sqlalchemy(f"{asked.database}/{name}"), dataset_name=name,
            pipelines_dir=home,
        )  # fmt: skip
        pipeline.run(shop())
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
        with server.begin() as connection:
            count = connection.execute(sqlalchemy.text(f"SELECT COUNT(*) FROM {name}.orders")).scalar()
        cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        print(json.dumps({"orders": count, "wall": wall, "cpu": cpu, "rss": after.ru_maxrss / 1024}), flush=True)
        used, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    with server.begin() as connection:
        connection.execute(sqlalchemy.text(f"DROP DATABASE {name}"))


if __name__ == "__main__":
    main()
