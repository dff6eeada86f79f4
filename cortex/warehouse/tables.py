"""What the shape of the warehouse is. How a database gets there is `sql/migrations/`; a test compares the two.

Names: raw_ landed payloads, dim_ things, fct_ events, agg_ sums, rpt_ views. Keys are natural or keyed hashes;
absent text is the empty string in keys, because MySQL takes two NULLs for different keys. Instants are UTC,
`*_date` and `day` are local days. `personal` in a column's info is its personal-data class (see `docs/data_dictionary.md`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CHAR, Column, Date, Index, Integer, MetaData, Numeric, SmallInteger, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import BigInteger, DateTime, TypeDecorator, TypeEngine

TENANT = MetaData()
CONTROL = MetaData()


class Exact(TypeDecorator[Decimal]):
    """DECIMAL(18, scale). SQLite has no decimals: there the value is stored as a double and rounded back, which is
    exact below 10^13."""

    impl = Numeric
    cache_ok = True

    def __init__(self, scale: int = 2) -> None:
        super().__init__(precision=18, scale=scale, asdecimal=False)
        self.scale = scale

    def load_dialect_impl(self, dialect: Any) -> TypeEngine[Any]:
        native: TypeEngine[Any] = Numeric(18, self.scale, asdecimal=dialect.name != "sqlite")
        return native

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return float(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Any) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(str(value)).quantize(Decimal(1).scaleb(-self.scale))


class Instant(TypeDecorator[datetime]):
    """DATETIME(6) in UTC; aware on the Python side."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> TypeEngine[Any]:
        native: TypeEngine[Any] = mysql.DATETIME(fsp=6) if dialect.name == "mysql" else DateTime()
        return native

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive instant would land on the wrong day")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


def text(length: int) -> TypeEngine[str]:
    """Text compared byte for byte on every engine."""
    return String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql")


def digest() -> TypeEngine[str]:
    """A SHA-256 or HMAC-SHA-256 in hex."""
    return CHAR(64).with_variant(mysql.CHAR(64, collation="utf8mb4_bin"), "mysql")


def document() -> TypeEngine[str]:
    """JSON or long words, never filtered on."""
    return Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), "mysql")


def key(name: str, kind: Any, meaning: str, **info: str) -> Column[Any]:
    return Column(name, kind, primary_key=True, nullable=False, autoincrement=False, info={"meaning": meaning, **info})


def col(name: str, kind: Any, meaning: str, **info: str) -> Column[Any]:
    """A column that always has a value."""
    return Column(name, kind, nullable=False, info={"meaning": meaning, **info})


def opt(name: str, kind: Any, meaning: str, **info: str) -> Column[Any]:
    """A column that may be unknown."""
    return Column(name, kind, nullable=True, info={"meaning": meaning, **info})


def table(name: str, meaning: str, *parts: Any, source: str = "", retention: str = "contract") -> Table:
    return Table(name, TENANT, *parts, info={"meaning": meaning, "source": source, "retention": retention})


def _rate() -> tuple[Column[Any], Column[Any], Column[Any]]:
    """By which rate a row's money became money of the client's currency."""
    return (
        opt(
            "exchange_rate",
            Exact(10),
            "What one unit of native_currency is worth; 1 for the client's own, empty without one.",
        ),
        opt(
            "rate_day",
            Date(),
            "Day of the rate: the order's day of payment, the day of spend, or a bank's last day before.",
        ),
        col("rate_source", text(64), "Where the rate is from, as rates.csv says."),
    )


PSEUDONYM = {"personal": "pseudonym"}
CLICK = {"personal": "online identifier"}
ORDER = {"personal": "order reference"}
REDACTED = {"personal": "redacted"}

cortex_meta = table(
    "cortex_meta",
    "Whose schema this is; checked on every connection.",
    key(
        "name",
        text(64),
        "Name of the fact: tenant, created_at, cortex_version, epoch (of the lease that may write), written (changes with every write).",
    ),
    col("value", text(255), "Its value."),
)
schema_migrations = table(
    "schema_migrations",
    "Migrations applied.",
    key("version", text(16), "Number of the file, 0001 and up."),
    col("name", text(128), "File name."),
    col("sha256", digest(), "Of the file as it was applied; an edited file is refused."),
    col("applied_at", Instant(), "When."),
)
sync_state = table(
    "sync_state",
    "Up to where each stream has been read. Moves in the transaction that holds its rows.",
    key("stream", text(96), "Such as store.orders or ads.meta."),
    opt("complete_until", Date(), "First local day not yet read whole."),
    opt("source_updated_at", Instant(), "Newest change seen, by the platform's clock."),
    col("run_id", text(32), "Run that moved it."),
    col("moved_at", Instant(), "When."),
)
quarantine = table(
    "quarantine",
    "Records that could not be trusted, without their content.",
    key("stream", text(96), "Stream they came in."),
    key("record_key", text(128), "The platform's id of the record.", **ORDER),
    key("reason", text(255), "Why, in one sentence without values."),
    col("first_seen", Instant(), "First time."),
    col("last_seen", Instant(), "Last time."),
    col("run_id", text(32), "Last run that met it."),
)
data_notices = table(
    "data_notices",
    "What a reader of the numbers must know: caps, truncation, sampling, expired windows.",
    key("run_id", text(32), "Run that noticed."),
    key("stream", text(96), "Stream concerned."),
    key("code", text(32), "Kind of notice."),
    key("message", text(255), "One sentence."),
    col("row_count", BigInteger(), "Rows concerned, 0 if unknown."),
    col("amount", Exact(), "Money concerned, 0 if unknown."),
    col("facts", document(), "JSON: what the message names, from which reports write it in the reader's language."),
    col("noticed_at", Instant(), "When."),
)
raw_ecommerce_orders = table(
    "raw_ecommerce_orders",
    "Orders as landed, personal fields redacted.",
    key("platform", text(32), "Store platform."),
    key("external_id", text(64), "The platform's order id.", **ORDER),
    col("payload", document(), "JSON.", **REDACTED),
    col("payload_sha256", digest(), "Of the payload: tells whether anything changed."),
    col("fetched_at", Instant(), "When."),
    col("run_id", text(32), "By which run."),
    source="store",
    retention="privacy.retention.raw_days",
)


def _raw_ads(platform: str, name: str) -> Table:
    return table(
        f"raw_{platform}_ads",
        f"What {name} said of each ad object and day, in its own words, as last read.",
        key("account_id", text(64), "Ad account."),
        key("day", Date(), "Account-local day."),
        key("campaign_id", text(64), "Campaign; empty for what only the account's total tells."),
        key("adset_id", text(64), "Ad set or ad group; empty at campaign level."),
        key("ad_id", text(64), "Ad; empty at campaign level."),
        col("payload", document(), "JSON: the row of the report, with every kind of action the platform counts."),
        col("payload_sha256", digest(), "Of the payload."),
        col("fetched_at", Instant(), "When it last said something new."),
        col("run_id", text(32), "By which run."),
        source=f"ads.{platform}",
        retention="privacy.retention.raw_days",
    )


raw_meta_ads = _raw_ads("meta", "Meta")
raw_google_ads = _raw_ads("google", "Google Ads")
raw_tiktok_ads = _raw_ads("tiktok", "TikTok")
RAW_ADS = {"meta": raw_meta_ads, "google": raw_google_ads, "tiktok": raw_tiktok_ads}
raw_ga4 = table(
    "raw_ga4",
    "What GA4 said of each day and source, in its own words, as last read.",
    key("property_id", text(32), "GA4 property."),
    key("day", Date(), "Property-local day."),
    key("source", text(128), "Source."),
    key("medium", text(128), "Medium."),
    key("campaign", text(255), "Campaign."),
    col("payload", document(), "JSON: rows of the report by the names of its dimensions and metrics."),
    col("payload_sha256", digest(), "Of the payload."),
    col("fetched_at", Instant(), "When it last said something new."),
    col("run_id", text(32), "By which run."),
    source="ga4",
    retention="privacy.retention.raw_days",
)
RAW = (raw_ecommerce_orders, raw_meta_ads, raw_google_ads, raw_tiktok_ads, raw_ga4)
"""Tables of payloads: the weekly run deletes what was fetched longer ago than `privacy.retention.raw_days`."""

dim_dates = table(
    "dim_dates",
    "Calendar 2015-2035 with Brazilian holidays and Black Friday. Joined instead of date functions.",
    key("date_key", Integer(), "yyyymmdd."),
    col("day", Date(), "The date."),
    col("year", SmallInteger(), "Year."),
    col("quarter", SmallInteger(), "1-4."),
    col("month", SmallInteger(), "1-12."),
    col("month_start", Date(), "First day of the month."),
    col("week_start", Date(), "Monday of the ISO week."),
    col("iso_year", SmallInteger(), "ISO year of the week."),
    col("iso_week", SmallInteger(), "ISO week."),
    col("weekday", SmallInteger(), "1 Monday to 7 Sunday."),
    col("month_index", Integer(), "Months since January 2000: differences are ages of cohorts."),
    col("is_holiday", SmallInteger(), "1 on Brazilian national holidays."),
    col("holiday", text(64), "Its name in Portuguese, else empty."),
    col("is_black_friday", SmallInteger(), "1 on the Friday after the fourth Thursday of November."),
    Index("ux_dim_dates_day", "day", unique=True),
    source="seed",
)
dim_channels = table(
    "dim_channels",
    "Marketing channels, one row each.",
    key("channel", text(32), "Code: meta, google, tiktok, organic, direct, email, referral, marketplace …"),
    col("name_pt", text(64), "Name in Portuguese."),
    col("name_en", text(64), "Name in English."),
    col("name_es", text(64), "Name in Spanish."),
    col("is_paid", SmallInteger(), "1 where media is bought."),
    col("sort_order", SmallInteger(), "Fixed order on every page."),
    source="seed",
)
dim_states = table(
    "dim_states",
    "States of Brazil by their UF, with the region each lies in.",
    key("country", text(2), "ISO 3166."),
    key("state", text(8), "UF: SP, RJ …"),
    col("name", text(64), "Its name in Portuguese."),
    col("region", text(16), "Norte, Nordeste, Centro-Oeste, Sudeste, Sul, as the IBGE divides the country."),
    source="seed",
)
dim_segments = table(
    "dim_segments",
    "The eleven RFM segments: their names, what they come down to, and what to do about each.",
    key("segment", text(32), "As in dim_customers.rfm_segment."),
    col("behaviour", text(16), "vip, regular, new, at_risk."),
    col("sort_order", SmallInteger(), "Fixed order on every page, best first."),
    col("name_pt", text(64), "Name in Portuguese."),
    col("name_en", text(64), "Name in English."),
    col("name_es", text(64), "Name in Spanish."),
    col("action_pt", text(255), "What to do, in Portuguese."),
    col("action_en", text(255), "What to do, in English."),
    col("action_es", text(255), "What to do, in Spanish."),
    source="seed",
)
dim_customers = table(
    "dim_customers",
    "Buyers under pseudonyms, with what they are worth. Recomputed by the value step.",
    key("customer_key", digest(), "HMAC-SHA-256 under the tenant's key.", **PSEUDONYM),
    col("first_order_date", Date(), "Local day of the first paid order."),
    col("last_order_date", Date(), "Local day of the last paid order."),
    col("first_order_key", digest(), "Their first paid order."),
    col(
        "first_order_channel",
        text(32),
        "Channel with most credit for the first paid order, by the first of the client's models.",
    ),
    col("total_orders", Integer(), "Paid orders."),
    col("total_revenue", Exact(), "Paid less refunded."),
    col("avg_order_value", Exact(), "total_revenue / total_orders."),
    col("recency_days", Integer(), "Days from the last paid order to as_of."),
    col("ltv_to_date", Exact(), "Realised: paid less refunded, all time."),
    col("ltv_window", Exact(), "Realised within analytics_config.ltv_window_days of the first order."),
    col("is_churned", SmallInteger(), "1 when recency exceeds analytics_config.churn_threshold_days."),
    opt("rfm_recency", SmallInteger(), "Quantile score, 5 is best."),
    opt("rfm_frequency", SmallInteger(), "Quantile score."),
    opt("rfm_monetary", SmallInteger(), "Quantile score."),
    opt("rfm_segment", text(32), "Named segment; written by the weekly run."),
    opt("preferred_category", text(128), "First category level they spent most on; written by the weekly run."),
    col("state", text(8), "UF of the last order."),
    col("as_of", Date(), "Day the figures are true for."),
    Index("ix_dim_customers_first", "first_order_date"),
    source="computed",
)
dim_products = table(
    "dim_products",
    "Things sold, one row per product of a platform.",
    key("platform", text(32), "Store platform."),
    key("product_id", text(64), "The platform's id."),
    col("sku", text(128), "SKU last seen."),
    col("name", text(255), "Name last seen."),
    col("category", text(128), "First category level."),
    col("category_level_2", text(128), "Second category level; empty where there is none."),
    col("category_level_3", text(128), "Third category level; empty where there is none."),
    col("brand", text(128), "Brand."),
    col("size", text(128), "Sizes it is sold in, with commas; empty where the shop names none."),
    col("color", text(128), "Colours it is sold in, likewise."),
    col("gender", text(32), "Whom it is made for, in the shop's words."),
    col("product_condition", text(32), "New, used …, in the shop's words."),
    col("supplier_country", text(2), "Where it comes from, ISO 3166; empty where the shop does not say."),
    opt("weight_kg", Exact(3), "Weight of one unit in kilograms."),
    opt("launch_date", Date(), "Local day the shop first listed it."),
    opt("current_price", Exact(), "Asked now, promotions included."),
    opt("original_price", Exact(), "Asked without promotions."),
    opt("cost_price", Exact(), "Unit cost, where the shop keeps it."),
    opt("stock", Integer(), "Units, where the shop keeps it."),
    opt("abc_class", text(1), "A, B or C by revenue."),
    col("updated_at", Instant(), "When last seen."),
    source="store",
)
dim_sellers = table(
    "dim_sellers",
    "Sellers on a marketplace: those behind the lines of the orders, and competitors where they are told.",
    key("platform", text(32), "Store platform."),
    key("seller_id", text(64), "The platform's id."),
    col("nickname", text(96), "Name shown on the marketplace; empty where it tells none."),
    col("city", text(96), "City."),
    col("state", text(8), "UF."),
    col("reputation", text(32), "In the marketplace's words."),
    col("is_competitor", SmallInteger(), "1 for a seller whose sales are none of ours."),
    opt(
        "market_share",
        Exact(6),
        "Share of the line totals of the last 90 days, written by the weekly run; of a competitor as it was told.",
    ),
    source="store, computed",
)
dim_geolocation = table(
    "dim_geolocation",
    "Where a postcode's first digits lie: a town, never a street.",
    key("country", text(2), "ISO 3166."),
    key("postal_prefix", text(8), "First five digits of the CEP."),
    col("city", text(96), "City."),
    col("state", text(8), "UF."),
    col("source", text(8), "store, where the platform tells; orders, the place most orders of the prefix name."),
    source="store",
)
dim_product_category_translation = table(
    "dim_product_category_translation",
    "Names of product categories in three languages. A category that is not here keeps its own name.",
    key("category", text(128), "As the store writes it."),
    col("name_pt", text(128), "Name in Portuguese."),
    col("name_en", text(128), "Name in English."),
    col("name_es", text(128), "Name in Spanish."),
    source="seed",
)
channel_products = table(
    "channel_products",
    "Where each product is listed, and whether it still is.",
    key("channel", text(32), "Store platform the listing is on."),
    key("external_id", text(64), "The listing's id there."),
    col("product_id", text(64), "dim_products."),
    col("title", text(255), "As listed."),
    col("price", Exact(), "As listed."),
    col("currency", text(3), "ISO 4217."),
    col("is_active", SmallInteger(), "1 when the last whole reading of the catalogue held it."),
    source="store",
)
price_history = table(
    "price_history",
    "Prices of products, one row for each day a price changed; the first is the price it was first seen at.",
    key("platform", text(32), "Store platform."),
    key("product_id", text(64), "Product."),
    key("day", Date(), "Local day the price was first seen."),
    col("price", Exact(), "Asked that day, promotions included."),
    col("full_price", Exact(), "Asked without promotions."),
    opt("discount", Exact(6), "1 - price / full_price."),
    opt(
        "competitor_rank",
        Integer(),
        "Place among sellers of the same product, 1 the cheapest, where a marketplace tells.",
    ),
    col("price_position", text(16), "How a marketplace calls the price beside others; empty where it does not."),
    col("currency", text(3), "ISO 4217."),
    source="store",
)
fct_inventory = table(
    "fct_inventory",
    "Units in stock per day, of products whose stock the shop keeps.",
    key("platform", text(32), "Store platform."),
    key("product_id", text(64), "Product."),
    key("warehouse", text(64), "Where they lie; empty where the shop counts all places as one."),
    key("day", Date(), "Local day of the reading; the last one of a day counts."),
    col("stock", Integer(), "Units of all variants."),
    col("reserved", Integer(), "Of them promised to buyers already, where the shop tells; else 0."),
    col("available", Integer(), "stock - reserved: what can still be sold."),
    col(
        "reorder_point", Integer(), "At so few available units more should be ordered: the shop's own figure, else 10."
    ),
    col("fetched_at", Instant(), "When the shop first said so that day."),
    Index("ix_fct_inventory_day", "day"),
    Index("ix_fct_inventory_product", "platform", "product_id", "day"),
    source="store",
)
dim_campaigns = table(
    "dim_campaigns",
    "Ad objects: one row per platform ad.",
    key("platform", text(32), "meta, google, tiktok."),
    key("campaign_id", text(64), "Campaign."),
    key("adset_id", text(64), "Ad set or ad group; empty at campaign level."),
    key("ad_id", text(64), "Ad; empty at campaign level."),
    col("account_id", text(64), "Ad account."),
    col("campaign_name", text(255), "Last seen."),
    col("adset_name", text(255), "Last seen."),
    col("ad_name", text(255), "Last seen."),
    col("funnel_stage", text(16), "TOFU, MOFU, BOFU or unknown, by the tenant's rules."),
    source="ads",
)

fct_orders = table(
    "fct_orders",
    "Orders as they stand now, cancelled and refunded included.",
    key("order_key", digest(), "SHA-256 of platform and external id."),
    col("platform", text(32), "Store platform."),
    col("external_id", text(64), "The platform's order id.", **ORDER),
    col("number", text(64), "Number shown to the buyer.", **ORDER),
    col("customer_key", digest(), "Buyer after duplicates are merged.", **PSEUDONYM),
    col("status", text(16), "open, closed, cancelled."),
    col(
        "payment_status",
        text(24),
        "pending, authorized, paid, partially_refunded, refunded, voided, abandoned, unknown.",
    ),
    col("status_detail", text(64), "The platform's own, finer word for where the order stands; empty without one."),
    col("fulfilment_status", text(32), "As the platform says."),
    col(
        "is_paid",
        SmallInteger(),
        "1 when money arrived: paid, partially_refunded or refunded, and not a test. Revenue counts these.",
    ),
    col("created_at", Instant(), "Placed."),
    col("updated_at", Instant(), "Last change by the platform's clock."),
    opt("paid_at", Instant(), "Paid: boleto and Pix may be days after created_at."),
    opt("shipped_at", Instant(), "Handed over to whom brings it."),
    opt("delivered_at", Instant(), "Delivered."),
    opt(
        "delivery_days", SmallInteger(), "Local days from order_date to delivery; empty before, and where nobody tells."
    ),
    opt("closed_at", Instant(), "Closed."),
    opt("cancelled_at", Instant(), "Cancelled."),
    col("cancel_reason", text(64), "As the platform says."),
    col("order_date", Date(), "Local day of created_at."),
    opt("paid_date", Date(), "Local day of paid_at; revenue is booked on it."),
    col("currency", text(3), "The client's; money of the order and of its lines, payments and refunds is in it."),
    col("native_currency", text(3), "The order's own, ISO 4217."),
    opt("native_total", Exact(), "Asked of the buyer in the order's own currency; empty where that is the client's."),
    opt("native_paid", Exact(), "Paid in the order's own currency; empty where that is the client's."),
    *_rate(),
    col("subtotal", Exact(), "Sum of lines."),
    col("discount", Exact(), "Discounts on the order."),
    col("shipping", Exact(), "Freight charged."),
    opt("shipping_cost", Exact(), "What the shop pays for sending it, where it tells."),
    col("shipping_mode", text(64), "How it is sent: the option the buyer chose, else the carrier."),
    col("tax", Exact(), "Tax charged on top."),
    col("total", Exact(), "Asked of the buyer."),
    col("paid", Exact(), "Paid by the buyer."),
    col("refunded", Exact(), "Given back so far."),
    col("payment_method", text(24), "Method of the largest payment."),
    col("installments", SmallInteger(), "Of the largest payment."),
    col("coupon", text(64), "Coupon code."),
    col("items", Integer(), "Units."),
    col("city", text(96), "City.", personal="quasi-identifier"),
    col("state", text(8), "UF."),
    col("postal_prefix", text(8), "First five digits of the CEP.", personal="quasi-identifier"),
    col("country", text(2), "ISO 3166."),
    col("marketplace", text(32), "Marketplace the order was imported from."),
    col("device", text(16), "Device it was placed on, by the order's browser, else by GA4; empty where neither tells."),
    col("is_test", SmallInteger(), "1 for test orders."),
    col("utm_source", text(128), "Of the last visit."),
    col("utm_medium", text(128), "Of the last visit."),
    col("utm_campaign", text(255), "Of the last visit."),
    col("utm_content", text(255), "Of the last visit."),
    col("utm_term", text(255), "Of the last visit."),
    col("gclid", text(255), "Google click id.", **CLICK),
    col("gbraid", text(255), "Google click id (app).", **CLICK),
    col("wbraid", text(255), "Google click id (web).", **CLICK),
    col("fbc", text(512), "Meta click id.", **CLICK),
    col("fbp", text(128), "Meta browser id.", **CLICK),
    col("ttclid", text(255), "TikTok click id.", **CLICK),
    col("ttp", text(64), "TikTok browser id.", **CLICK),
    col("ga_client_id", text(32), "GA4 client id of the browser.", **CLICK),
    col("event_url", text(512), "Page of the purchase, no query."),
    col("consent_state", text(8), "granted, denied, unknown."),
    col("consent_source", text(64), "Where it was recorded."),
    col("consent_version", text(32), "Version of the text the buyer saw."),
    opt("consent_at", Instant(), "When."),
    col("is_new_customer", SmallInteger(), "1 when it is the buyer's first paid order."),
    col("run_id", text(32), "Last run that wrote it."),
    opt("content", text(32), "Digest of all that was stored of the order; told the same again, nothing is written."),
    Index("ux_fct_orders_external", "platform", "external_id", unique=True),
    Index("ix_fct_orders_order_date", "order_date"),
    Index("ix_fct_orders_paid_date", "paid_date"),
    Index("ix_fct_orders_customer", "customer_key", "paid_date"),
    source="store",
)
fct_order_items = table(
    "fct_order_items",
    "Lines of orders; rewritten whole with their order.",
    key("order_key", digest(), "Order."),
    key("line", SmallInteger(), "1-based position."),
    col("platform", text(32), "Store platform."),
    col("product_id", text(64), "Product."),
    col("variant_id", text(64), "Variant."),
    col("sku", text(128), "SKU."),
    col("name", text(255), "Name on the order."),
    col("category", text(128), "First category level."),
    col("seller_id", text(64), "Marketplace seller."),
    col("quantity", Integer(), "Units."),
    col("unit_price", Exact(), "Charged per unit."),
    col("full_unit_price", Exact(), "List price per unit."),
    col("discount", Exact(), "On the line."),
    col("total", Exact(), "Of the line."),
    opt("unit_cost", Exact(), "Cost per unit, where known."),
    opt("sale_fee", Exact(), "What the marketplace keeps of the line, where it tells."),
    opt("manufacturing_days", SmallInteger(), "Days to make it before it is sent, where the shop tells."),
    Index("ix_fct_order_items_product", "platform", "product_id"),
    source="store",
)
fct_payments = table(
    "fct_payments",
    "Payments of orders; rewritten whole with their order.",
    key("order_key", digest(), "Order."),
    key("sequence", SmallInteger(), "1-based position."),
    col("method", text(24), "pix, boleto, credit_card, debit_card, voucher, wallet, transfer, cash, other."),
    col("installments", SmallInteger(), "1 or more."),
    col("amount", Exact(), "Money."),
    col("status", text(24), "Payment status."),
    opt("paid_at", Instant(), "When it arrived."),
    opt("fee", Exact(), "What the payment provider keeps, where it tells."),
    source="store",
)
fct_refunds = table(
    "fct_refunds",
    "Money given back, on its own day.",
    key("order_key", digest(), "Order."),
    key("refund_id", text(64), "The platform's id, or a stable one of ours."),
    col("created_at", Instant(), "When."),
    col("refund_date", Date(), "Local day."),
    col("amount", Exact(), "Positive."),
    col("reason", text(128), "As the platform says."),
    Index("ix_fct_refunds_date", "refund_date"),
    source="store",
)
fct_order_status = table(
    "fct_order_status",
    "Every state an order was seen in.",
    key("order_key", digest(), "Order."),
    key("updated_at", Instant(), "The platform's time of the change."),
    col("status", text(16), "open, closed, cancelled."),
    col("payment_status", text(24), "Payment status."),
    col("fulfilment_status", text(32), "As the platform says."),
    source="store",
)
fct_order_aliases = table(
    "fct_order_aliases",
    "Pseudonyms of an order's buyer, from which duplicates are merged.",
    key("order_key", digest(), "Order."),
    key("kind", text(16), "store, email, phone, document."),
    col("alias", digest(), "HMAC-SHA-256 under the tenant's key.", **PSEUDONYM),
    Index("ix_fct_order_aliases_alias", "alias"),
    source="store",
)
erased_people = table(
    "erased_people",
    "Tombstones: by these alone an older order of an erased person is known when it is read again, and lands without them.",
    key("tombstone", digest(), "HMAC-SHA-256 of a pseudonym under a key of its own.", personal="tombstone"),
    col("placed_until", Instant(), "Orders placed until then are meant; a later one is a new purchase."),
    source="cortex erase",
)
erased_orders = table(
    "erased_orders",
    "Orders of erased people. They go on counting, under a buyer nobody can be found by.",
    key("order_key", digest(), "Order."),
    col("customer_key", digest(), "Random: the buyer's orders still count as one buyer's."),
    col("erased_at", Instant(), "When."),
    source="cortex erase",
)
fct_reviews = table(
    "fct_reviews",
    "Scores buyers gave. What they wrote is not kept.",
    key("order_key", digest(), "Order."),
    key("review_id", text(64), "The platform's id; one review may be about several orders."),
    col("platform", text(32), "Store platform."),
    col("score", SmallInteger(), "1 to 5."),
    col("created_at", Instant(), "Asked for."),
    col("review_date", Date(), "Local day of that."),
    opt("answered_at", Instant(), "Answered."),
    Index("ix_fct_reviews_date", "review_date"),
    source="store",
)
fct_ad_spend = table(
    "fct_ad_spend",
    "Spend per ad object and the account's own day. Replaced by window: platforms restate.",
    key("platform", text(32), "meta, google, tiktok."),
    key("account_id", text(64), "Ad account."),
    key("day", Date(), "Account-local day."),
    key("campaign_id", text(64), "Campaign."),
    key("adset_id", text(64), "Ad set or ad group."),
    key("ad_id", text(64), "Ad; empty for money without an ad."),
    col("level", text(16), "ad, or campaign for what has no ad."),
    col("currency", text(3), "The client's."),
    col("native_currency", text(3), "The account's."),
    *_rate(),
    col("timezone", text(64), "Account zone."),
    col("impressions", BigInteger(), "Impressions."),
    col("reach", BigInteger(), "People reached that day; never summed over days."),
    col("clicks", BigInteger(), "Clicks."),
    col("spend", Exact(), "Cost in the client's currency; 0 while there is no rate."),
    col("native_spend", Exact(), "Cost in the account's currency."),
    col("conversions", Exact(6), "Claimed by the platform."),
    col("conversion_value", Exact(), "Claimed by the platform, in the client's currency; 0 while there is no rate."),
    col("native_value", Exact(), "The same in the account's currency."),
    col("pulled_at", Instant(), "When read."),
    col("is_provisional", SmallInteger(), "1 while the platform is still counting the day."),
    Index("ix_fct_ad_spend_day", "day"),
    source="ads",
)
ad_daily_revision = table(
    "ad_daily_revision",
    "What platforms changed about days they had finished counting. Only ever added to.",
    key("platform", text(32), "meta, google, tiktok."),
    key("account_id", text(64), "Ad account."),
    key("day", Date(), "Account-local day that was restated."),
    key("campaign_id", text(64), "Campaign."),
    key("adset_id", text(64), "Ad set or ad group."),
    key("ad_id", text(64), "Ad."),
    key("revision", SmallInteger(), "1 for the first change."),
    col("currency", text(3), "Account currency."),
    col("old_spend", Exact(), "Cost before; 0 for a row that was not there."),
    col("new_spend", Exact(), "Cost since; 0 for a row that was withdrawn."),
    col("old_conversions", Exact(6), "Claimed before."),
    col("new_conversions", Exact(6), "Claimed since."),
    col("old_value", Exact(), "Value claimed before."),
    col("new_value", Exact(), "Value claimed since."),
    col("revised_at", Instant(), "When it was noticed."),
    col("run_id", text(32), "By which run."),
    Index("ix_ad_daily_revision_day", "day"),
    source="computed",
)
fct_ad_clicks = table(
    "fct_ad_clicks",
    "Click ids and their ads, kept because platforms forget them after 90 days.",
    key("platform", text(32), "google."),
    key("click_id", text(255), "gclid.", **CLICK),
    col("day", Date(), "Account-local day."),
    col("campaign_id", text(64), "Campaign."),
    col("adset_id", text(64), "Ad group."),
    col("ad_id", text(64), "Ad."),
    source="ads",
    retention="13 months, as long as the order where it led to one",
)
fct_sessions = table(
    "fct_sessions",
    "Visits per day and source as GA4 counts them.",
    key("property_id", text(32), "GA4 property."),
    key("day", Date(), "Property-local day."),
    key("source", text(128), "Source."),
    key("medium", text(128), "Medium."),
    key("campaign", text(255), "Campaign."),
    col("channel_group", text(64), "GA4's default channel group."),
    col("sessions", BigInteger(), "Sessions."),
    col("engaged_sessions", BigInteger(), "Engaged sessions."),
    col("users", BigInteger(), "Users; never summed over days."),
    col("new_users", BigInteger(), "New users."),
    col("revenue", Exact(), "Purchase revenue as GA4 saw it, in the client's currency; 0 while there is no rate."),
    col("native_revenue", Exact(), "The same in the property's currency."),
    col("currency", text(3), "The client's."),
    col("native_currency", text(3), "The property's."),
    *_rate(),
    Index("ix_fct_sessions_day", "day"),
    source="ga4",
)
fct_funnel = table(
    "fct_funnel",
    "How many visits of a day, channel and device reached each stage of the shop. Replaced by window.",
    key("origin", text(16), "Which source told: ga4 counts each stage for itself, ga4_bigquery one after the other."),
    key("property_id", text(32), "GA4 property."),
    key("day", Date(), "Property-local day."),
    key("channel", text(32), "Channel of the visit's source, by the rules of dim_channels."),
    key("device", text(16), "mobile, desktop, tablet, smart tv; empty where GA4 does not tell."),
    key("stage", text(16), "visit, view, cart, checkout, payment, purchase."),
    col("sessions", BigInteger(), "Sessions that reached it."),
    col("events", BigInteger(), "How often it happened."),
    Index("ix_fct_funnel_day", "day"),
    source="ga4, ga4_bigquery",
)
fct_product_views = table(
    "fct_product_views",
    "Units of each product looked at, put into carts and bought per day, as the shop's tags tell GA4. Replaced by window.",
    key("origin", text(16), "Which source told."),
    key("property_id", text(32), "GA4 property."),
    key("day", Date(), "Property-local day."),
    key("item_id", text(128), "Item id of the tags: a product's id, or its SKU."),
    col("platform", text(32), "Store platform whose products they are."),
    col("viewed", BigInteger(), "Units looked at."),
    col("added", BigInteger(), "Units put into carts."),
    col("purchased", BigInteger(), "Units in GA4's purchases."),
    Index("ix_fct_product_views_day", "day"),
    source="ga4, ga4_bigquery",
)
stg_touches = table(
    "stg_touches",
    "Touches as each source tells them, before they are merged into journeys. Replaced by window.",
    key("touch_key", digest(), "SHA-256 of the touch."),
    col("origin", text(16), "order, kit, ga4, ga4_bigquery."),
    col("order_ref", text(64), "Order id or number as the source writes it.", **ORDER),
    col("day", Date(), "Local day."),
    opt("occurred_at", Instant(), "When, if known."),
    col("source", text(128), "utm_source or GA4 source."),
    col("medium", text(128), "utm_medium or GA4 medium."),
    col("campaign", text(255), "utm_campaign or GA4 campaign."),
    col("content", text(255), "utm_content."),
    col("term", text(255), "utm_term."),
    col("channel_group", text(64), "GA4's group."),
    col("campaign_id", text(64), "GA4's campaign id."),
    col("gclid", text(255), "Google click id.", **CLICK),
    col("gbraid", text(255), "Google click id.", **CLICK),
    col("wbraid", text(255), "Google click id.", **CLICK),
    col("fbclid", text(512), "Meta click id.", **CLICK),
    col("ttclid", text(255), "TikTok click id.", **CLICK),
    col("msclkid", text(255), "Microsoft click id.", **CLICK),
    col("landing_page", text(512), "Path."),
    col("device", text(16), "GA4's device category, of the order's touches."),
    Index("ix_stg_touches_order", "order_ref"),
    Index("ix_stg_touches_day", "origin", "day"),
    source="store, ga4, ga4_bigquery, tracking kit",
)
fct_touchpoints = table(
    "fct_touchpoints",
    "The journey of each order: its touches in time order, merged from every source.",
    key("order_key", digest(), "Order."),
    key("position", SmallInteger(), "1 is the first."),
    opt("occurred_at", Instant(), "When, if known."),
    col("channel", text(32), "dim_channels."),
    col("source", text(128), "Source."),
    col("medium", text(128), "Medium."),
    col("campaign", text(255), "Campaign name as tagged."),
    col("platform", text(32), "Ad platform, when a paid touch was resolved."),
    col("campaign_id", text(64), "Resolved campaign."),
    col("adset_id", text(64), "Resolved ad set."),
    col("ad_id", text(64), "Resolved ad."),
    col("origin", text(16), "Which sources told of it."),
    col("is_direct", SmallInteger(), "1 for direct visits."),
    source="computed",
)
fct_attribution = table(
    "fct_attribution",
    "Credit of each order by model. Per order and model the revenue sums to the order's net value, to the cent.",
    key("order_key", digest(), "Order."),
    key("model", text(32), "attribution/<model>.py."),
    key("position", SmallInteger(), "Touch; 0 when the order has none (unattributed)."),
    col("method", text(32), "The model that shared the order out: itself, or what data_driven chose."),
    col("order_date", Date(), "Local day revenue is booked on (paid_date)."),
    col("channel", text(32), "dim_channels; `unattributed` for position 0."),
    col("platform", text(32), "Ad platform."),
    col("campaign_id", text(64), "Campaign."),
    col("adset_id", text(64), "Ad set."),
    col("ad_id", text(64), "Ad."),
    col("weight", Exact(8), "Share of the order, 0-1."),
    col("attributed_revenue", Exact(), "Money: paid less refunded, shared out."),
    col("is_new_customer", SmallInteger(), "1 when the order won the customer."),
    col(
        "window_days",
        SmallInteger(),
        "Days before the order in which a visit could earn credit when it was shared out.",
    ),
    Index("ix_fct_attribution_day", "model", "order_date"),
    Index("ix_fct_attribution_date", "order_date"),
    source="computed",
)
agg_paths = table(
    "agg_paths",
    "Journeys by the channels they went through, those that led to no order too: counts, nobody's own. Replaced by window.",
    key("origin", text(16), "Which source told of them."),
    key("day", Date(), "Local day of the last visit."),
    key("path", text(400), "Channels joined by ' > ', oldest first; the last 20 visits."),
    col("journeys", BigInteger(), "Journeys that ended so, with or without an order."),
    col("orders", BigInteger(), "Those that ended in an order."),
    source="ga4_bigquery",
)
agg_daily_sales = table(
    "agg_daily_sales",
    "Sales per local day of payment and channel (last click). Rebuilt for touched days.",
    key("day", Date(), "Local day."),
    key("channel", text(32), "Channel of the order, last click."),
    col("orders", Integer(), "Paid orders."),
    col("new_customers", Integer(), "Orders that won their buyer."),
    col("items", Integer(), "Units."),
    col("gross_revenue", Exact(), "Paid."),
    col("refunds", Exact(), "Refunds whose own day this is."),
    col("discounts", Exact(), "Discounts given."),
    col("shipping", Exact(), "Freight charged."),
    source="computed",
)
sales_analytics = table(
    "sales_analytics",
    "Sales and marketing by day, week and month. Rebuilt for the periods that were touched.",
    key("grain", text(8), "day, week, month."),
    key("period_start", Date(), "First local day: weeks begin on Monday."),
    col("orders", Integer(), "Paid orders."),
    col("buyers", Integer(), "Different buyers of them; not to be summed over periods."),
    col("new_customers", Integer(), "Orders that won their buyer."),
    col("items", Integer(), "Units."),
    col("gross_revenue", Exact(), "Paid."),
    col("refunds", Exact(), "Refunds whose own day lies in the period."),
    col("refunded_orders", Integer(), "Different orders among them."),
    col("spend", Exact(), "Of all ad accounts, on their own days."),
    col("sessions", BigInteger(), "Visits GA4 counted; 0 also where there is no GA4."),
    source="computed",
)
customer_cohorts = table(
    "customer_cohorts",
    "Buyers by the month of their first paid order, as the weekly run last saw them.",
    key("cohort_month", Date(), "First of the month."),
    col("customers", Integer(), "Size."),
    col("repeat_customers", Integer(), "Of them, those who came back."),
    col("total_orders", Integer(), "Paid orders so far."),
    col("revenue", Exact(), "Paid less refunded so far."),
    col("ltv", Exact(), "revenue / customers."),
    col("spend", Exact(), "Ad spend of the cohort's own month."),
    col("months", SmallInteger(), "Months since then: 0 for this month's cohort."),
    col("as_of", Date(), "Last day of the run that computed it."),
    source="computed",
)
customer_predictions = table(
    "customer_predictions",
    "What each buyer is expected to do, by the models of customer_models. Written whole by weekly and daily runs.",
    key("customer_key", digest(), "dim_customers.", **PSEUDONYM),
    col("as_of", Date(), "Last day the models saw."),
    col("repeat_days", Integer(), "Days with an order after the first such day."),
    col("p_alive", Exact(6), "Chance that the buyer still is one."),
    col("is_probably_gone", SmallInteger(), "1 when p_alive is below 0.5: churn by probability."),
    opt(
        "margin",
        Exact(),
        "Realised: paid less refunded, freight, tax and cost of goods; empty while any order's cost is unknown.",
    ),
    col("order_value", Exact(), "Expected value of a day with an order."),
    col("orders_30", Exact(6), "Days with an order expected in the next 30 days."),
    col("orders_90", Exact(6), "In 90."),
    col("orders_180", Exact(6), "In 180."),
    col("orders_365", Exact(6), "In 365."),
    col("value_30", Exact(), "Money expected in the next 30 days."),
    col("value_90", Exact(), "In 90."),
    col("value_180", Exact(), "In 180."),
    col("value_365", Exact(), "In 365."),
    col("clv", Exact(), "Money expected in twelve months, discounted monthly."),
    col("clv_tier", text(16), "Bronze, Silver, Gold, Platinum: quartiles of clv."),
    col(
        "at_stake",
        Exact(),
        "Worth of the repeat days so far times the chance that the buyer is gone; 0 unless probably gone.",
    ),
    source="computed",
)
customer_models = table(
    "customer_models",
    "The models behind customer_predictions: which were used, and why not the others.",
    key("model", text(16), "bg_nbd, mbg_nbd, gamma_gamma, average."),
    key("role", text(8), "orders or value: what it predicts."),
    col("is_used", SmallInteger(), "1 for the one the predictions are from."),
    col("is_converged", SmallInteger(), "1 when a maximum inside a sensible range was found; 1 for averages."),
    col("reason", text(32), "Code of what stood in the way of the model one would expect; else empty."),
    opt("log_likelihood", Exact(6), "At the parameters found."),
    col("buyers", Integer(), "Buyers seen."),
    col("repeat_buyers", Integer(), "Of them, those who came back on another day."),
    opt("correlation", Exact(6), "Of how often and how much, over repeat buyers; for the value models."),
    col("as_of", Date(), "Last day the models saw."),
    source="computed",
)
customer_model_parameters = table(
    "customer_model_parameters",
    "Parameters of the fitted models, with standard errors. Times are in weeks.",
    key("model", text(16), "customer_models."),
    key("parameter", text(8), "r, alpha, a, b; p, q, v."),
    col("value", Exact(6), "Most likely value."),
    opt("error", Exact(6), "Standard error; empty where the place found is no maximum."),
    source="computed",
)
cohort_cells = table(
    "cohort_cells",
    "Buyers by the period of their first paid order, and what they did in each period since. A period that has not ended is empty.",
    key("grain", text(8), "month, week."),
    key(
        "channel",
        text(32),
        "Channel that won them by the client's first model; empty for all of them. Weeks have no channels.",
    ),
    key("cohort", Date(), "First day of the period of the first paid order; weeks begin on Monday."),
    key("period", SmallInteger(), "Periods since then: 0 is the cohort's own."),
    col("customers", Integer(), "Size of the cohort."),
    opt("active", Integer(), "Customers who paid an order in the period."),
    opt("orders", Integer(), "Paid orders of the period."),
    opt("revenue", Exact(), "Paid less refunded in the period, refunds on their own day."),
    opt("retention", Exact(6), "active / customers."),
    opt("ltv", Exact(), "revenue up to and including the period / customers."),
    opt(
        "ltv_margin",
        Exact(),
        "The same of revenue less freight, tax and cost of goods; empty while any order's cost is unknown.",
    ),
    col("as_of", Date(), "Last day of the run that computed it."),
    source="computed",
)
cohort_payback = table(
    "cohort_payback",
    "What each monthly cohort cost to win and when it had paid that back.",
    key("channel", text(32), "Channel that won them by the client's first model; empty for all of them."),
    key("cohort", Date(), "First of the month."),
    col("customers", Integer(), "Size of the cohort."),
    opt(
        "spend",
        Exact(),
        "Ad spend of the cohort's own month, the channel's where there is one; empty where none is known.",
    ),
    opt("cac", Exact(), "spend / customers."),
    opt("ltv", Exact(), "Of the last month that has ended."),
    opt("ltv_to_cac", Exact(6), "ltv / cac."),
    opt(
        "payback_month",
        SmallInteger(),
        "First month in which ltv reached cac, 0 for the cohort's own; empty if not yet.",
    ),
    opt("ltv_margin", Exact(), "As ltv, of margin; empty where the cost of any line is not known."),
    opt(
        "margin_payback_month",
        SmallInteger(),
        "First month in which ltv_margin reached cac; empty if not yet, or where a cost is not known.",
    ),
    col("as_of", Date(), "Last day of the run that computed it."),
    source="computed",
)
customer_value = table(
    "customer_value",
    "What buyers are worth: all of them, by channel, by month of the first order, by first product, by segment, by tier.",
    key("dimension", text(16), "all, channel, cohort, product, segment, tier."),
    key("entry", text(128), "Channel, month, platform and product id, segment or tier."),
    col("label", text(255), "Name of the product; else the entry."),
    col("customers", Integer(), "Buyers."),
    col("repeat_customers", Integer(), "Of them, those with a second paid order."),
    col("orders", Integer(), "Paid orders."),
    col("revenue", Exact(), "Paid less refunded, to date."),
    col("ltv", Exact(), "revenue / customers."),
    col("window_customers", Integer(), "Buyers whose LTV window has passed whole."),
    opt("ltv_window", Exact(), "What those paid within it, per buyer; empty without any."),
    opt("margin", Exact(), "revenue less freight, tax and cost of goods; empty while any order's cost is unknown."),
    opt("ltv_margin", Exact(), "margin / customers."),
    col("uncosted_customers", Integer(), "Buyers with an order whose cost is not known: they are why margin is empty."),
    opt("value_365", Exact(), "Money expected in the next 365 days, per buyer."),
    opt("clv", Exact(), "Money expected in twelve months, discounted, per buyer."),
    opt("spend", Exact(), "Ad spend, for all and for channels where media is bought."),
    opt("cac", Exact(), "spend / buyers won since the first day with spend."),
    opt("ltv_to_cac", Exact(6), "ltv / cac."),
    col("as_of", Date(), "Day the figures are true for."),
    source="computed",
)
insight_figures = table(
    "insight_figures",
    "Single figures about buyers and products, by name.",
    key("area", text(16), "churn, ltv, ltv_histogram, repeat, tiers, bcg, sellers, effects."),
    key("figure", text(48), "Name; docs/en/customer_value.md says what each is."),
    opt("value", Exact(6), "Empty where there is nothing to measure."),
    col("as_of", Date(), "Day it is true for."),
    source="computed",
)
purchase_patterns = table(
    "purchase_patterns",
    "When orders are placed, by local weekday and hour.",
    key("weekday", SmallInteger(), "1 Monday to 7 Sunday."),
    key("hour", SmallInteger(), "0-23."),
    col("orders", Integer(), "Paid orders."),
    col("revenue", Exact(), "Paid."),
    source="computed",
)
product_classes = table(
    "product_classes",
    "Products sold in the last 90 days: share, growth and BCG class.",
    key("platform", text(32), "Store platform."),
    key("product_id", text(64), "Product."),
    col("units", Integer(), "Sold in the last 90 days."),
    col("revenue", Exact(), "Line totals of those days."),
    opt("margin", Exact(), "revenue less cost of goods; empty while any line's cost is unknown."),
    col("compared_days", Integer(), "Days of the two periods growth compares: 90, or half of those known; 0 below 14."),
    opt("revenue_recent", Exact(), "Line totals of the last compared_days."),
    opt("revenue_before", Exact(), "Line totals of as many days before."),
    col("share", Exact(6), "Of the revenue of all products."),
    opt("growth", Exact(6), "revenue_recent / revenue_before - 1; empty for what did not sell before."),
    col("bcg_class", text(16), "star, cash_cow, question_mark, dog; empty where growth cannot be compared."),
    col("as_of", Date(), "Last of the days."),
    source="computed",
)
product_effects = table(
    "product_effects",
    "Products sold in the last 90 days: whether they sell as their like do, what their last price change did, how fast their stock turns.",
    key("platform", text(32), "Store platform."),
    key("product_id", text(64), "Product."),
    col("orders", Integer(), "Paid orders with it."),
    col("units", Integer(), "Units in them."),
    opt("reduced_share", Exact(6), "Share of the units sold below their full price."),
    col("conversion_basis", text(8), "views of the product as GA4 counts them, else visits to the shop, else empty."),
    opt(
        "conversion",
        Exact(6),
        "Purchases / views as GA4 saw both, or orders with it / visits; empty where nobody counts.",
    ),
    opt(
        "expected_conversion",
        Exact(6),
        "That of the other products of its category and price range; of the whole shop where they are fewer than three.",
    ),
    opt("rating", Exact(6), "Mean score of the reviews of orders with it."),
    opt("changed_on", Date(), "Last price change with a week or more on both sides; empty without one."),
    opt("price_before", Exact(), "Asked before it."),
    opt("price_after", Exact(), "Asked since."),
    opt("days_before", SmallInteger(), "Days compared before it, at most 28."),
    opt("days_after", SmallInteger(), "Days compared since, at most 28."),
    opt("units_before", Integer(), "Units sold in those before."),
    opt("units_after", Integer(), "Units sold in those since."),
    opt(
        "lift",
        Exact(6),
        "Units a day since / before, over the same ratio of everything else the shop sold, less 1; empty where it did not sell before.",
    ),
    opt("elasticity", Exact(6), "ln(lift + 1) / ln(price_after / price_before): at -1 revenue stays as it was."),
    opt("mean_stock", Exact(3), "Mean units in stock over the days the shop told it."),
    opt("stock_days", SmallInteger(), "Those days."),
    opt("available", Integer(), "Units that could still be sold on the last of them."),
    opt("turnover", Exact(3), "Times a year the mean stock is sold at the pace of the 90 days."),
    opt("cover_days", Exact(3), "Days the available units last at that pace."),
    col("as_of", Date(), "Last of the days."),
    source="computed",
)
forecasts = table(
    "forecasts",
    "What the shop is expected to sell. Days to come as last forecast; days past as they were forecast last before they came.",
    key("series", text(16), "revenue (paid less refunded, each on its own day) or orders (paid)."),
    key("channel", text(32), "all, or a channel (last click). Channels are forecast alone and need not add up to all."),
    key("day", Date(), "Local day that is forecast."),
    col("as_of", Date(), "Last day the model saw."),
    col("horizon", SmallInteger(), "Days from as_of to day."),
    col("predicted", Exact(), "Expected that day: money, or orders with two places."),
    opt(
        "lower_80",
        Exact(),
        "80 % band: eight of ten days fell inside in the backtest. Empty where it has too few errors.",
    ),
    opt("upper_80", Exact(), "Its other end."),
    opt("lower_95", Exact(), "95 % band: nineteen of twenty."),
    opt("upper_95", Exact(), "Its other end."),
    col("total", Exact(), "Expected from the day after as_of up to this day."),
    opt("total_lower_80", Exact(), "80 % band of total: narrower than the bands of its days added up."),
    opt("total_upper_80", Exact(), "Its other end."),
    opt("total_lower_95", Exact(), "95 % band of total."),
    opt("total_upper_95", Exact(), "Its other end."),
    col("model", text(32), "Model chosen: forecast_models."),
    col("mase", Exact(6), "Its error in the backtest: see forecast_models."),
    opt("wape", Exact(6), "Likewise."),
    col("run_id", text(32), "Run that forecast it."),
    col("trained_at", Instant(), "When."),
    source="computed",
)
forecast_models = table(
    "forecast_models",
    "How far each model would have been off over the next 30 days at up to 52 past weeks. Written whole with the forecasts.",
    key("series", text(16), "revenue or orders."),
    key("channel", text(32), "all, or a channel (last click)."),
    key("model", text(32), "seasonal_naive, mean, weekday_mean, croston, holt_winters …"),
    col(
        "is_used",
        SmallInteger(),
        "1 for the one the forecasts are from: least mase, of intermittent sales least rmsse.",
    ),
    col("is_intermittent", SmallInteger(), "1 where days without a sale are usual."),
    col("mase", Exact(6), "Mean size of the error, in units of what a day differs from its weekday a week before."),
    col("rmsse", Exact(6), "Root of the mean square of the same."),
    opt("wape", Exact(6), "Sum of the sizes of errors / sum of sales."),
    opt("bias", Exact(6), "Sum expected / sum that came, less 1."),
    col("mae", Exact(6), "Mean size of the error of a day."),
    col("rmse", Exact(6), "Root of the mean square of it."),
    opt("mape", Exact(6), "Mean of error / sales; empty when a day sold nothing."),
    opt("r2", Exact(6), "1 - squared errors / squared distances from the mean day."),
    col("days", Integer(), "Days judged, all origins together."),
    col("origins", Integer(), "Past weeks a forecast was made at."),
    opt("coverage_80", Exact(6), "Share of days within the 80 % band made before they came; for the one used."),
    opt("coverage_95", Exact(6), "Within the 95 % band."),
    col("covered_days", Integer(), "Days that share of 80 % is counted over; the first origins have no band yet."),
    col("history_since", Date(), "First day the models saw."),
    col("as_of", Date(), "Last day they saw."),
    col("run_id", text(32), "Run."),
    col("trained_at", Instant(), "When."),
    source="computed",
)
dq_results = table(
    "dq_results",
    "What the quality step checked in each run, and what it found.",
    key("run_id", text(32), "Run."),
    key("rule", text(32), "What was checked; `cortex dq` explains each."),
    key("part", text(96), "Of which stream or table."),
    col("severity", text(8), "error, warning: what a failure means."),
    col("status", text(8), "ok, failed, unknown."),
    opt("measured", Exact(6), "What was found."),
    opt("allowed", Exact(6), "The most that passes."),
    col("message", text(255), "One sentence."),
    col("checked_at", Instant(), "When."),
    source="computed",
    retention="privacy.retention.raw_days",
)
alerts = table(
    "alerts",
    "What is wrong with a client and what was: one row per condition, however many runs meet it. No personal data.",
    key("alert_id", digest(), "SHA-256 of kind and subject."),
    col("dedup_key", text(128), "kind:subject; the same wherever the same condition is meant."),
    col("kind", text(32), "step_failed, credential, destination_stopped, quality, delivery, cac, roas."),
    col("severity", text(8), "critical, warning, info."),
    col("subject", text(96), "What it is about: a step, a check, a destination."),
    col("code", text(16), "CTX-nnnn; `cortex explain` has the page."),
    col("title", text(160), "A few words, in English."),
    col("message", text(500), "One sentence, in English, cleaned."),
    col("facts", document(), "JSON: what title and message name, so that they can be said in another language."),
    col("action", text(255), "The command or the change that mends it."),
    col("first_seen_at", Instant(), "When the condition began, this time."),
    col("last_seen_at", Instant(), "When a run last met it."),
    col("times", Integer(), "Runs that met it since it began."),
    opt("resolved_at", Instant(), "When a run found that it no longer holds; empty while it does."),
    opt("read_at", Instant(), "When somebody said that they have read it."),
    opt(
        "dismissed_at", Instant(), "When somebody put it aside: it is told again only when it gets worse or comes back."
    ),
    opt("notified_at", Instant(), "When people were last told of it."),
    col("notified_severity", text(8), "How severe it was then; empty before."),
    col("run_id", text(32), "Last run that met it, or found it over."),
    source="computed",
    retention="while open, then privacy.retention.raw_days",
)
checklist_items = table(
    "checklist_items",
    "The onboarding checklist as people keep it: who does what until when, and what was ticked by hand.",
    key("item", text(32), "Item of the checklist: kick_off, training …"),
    col("owner", text(64), "Who does it; empty: nobody yet."),
    opt("due_on", Date(), "Until when."),
    col("done_by", text(64), "Who ticked it."),
    opt("done_on", Date(), "When it was done; empty while it is open."),
    col("changed_at", Instant(), "Last change."),
    source="cortex checklist",
)
checklist_evidence = table(
    "checklist_evidence",
    "What commands saw that ticks items of the onboarding checklist: doctor, audits, test events.",
    key("name", text(32), "Name of the evidence: credentials.ok, tracking.audit …"),
    col("seen", text(255), "Where it was seen."),
    col("seen_at", Instant(), "Since when."),
    source="computed",
)
conversion_identifiers = table(
    "conversion_identifiers",
    "Digests of a paying buyer for one destination, until the delivery is settled or its window has passed.",
    key("order_key", digest(), "Order."),
    key("destination", text(32), "Destination."),
    col(
        "identifiers",
        document(),
        "JSON: match keys with digests, IP and user agent.",
        personal="digests, IP, user agent",
    ),
    col("expires_at", Instant(), "Deleted after this instant at the latest."),
    source="store",
    retention="until settled, at most the destination's window",
)
conversion_diagnostics = table(
    "conversion_diagnostics",
    "What a platform says of the conversions it was sent, as it was last read. No personal data.",
    key("destination", text(32), "destinations/<kind>.py."),
    key("part", text(64), "Whose counts: the way in (Google's upload client), the event (Meta)."),
    key("day", Date(), "The platform's day; of a match quality the day it was read."),
    opt("succeeded", BigInteger(), "Events it used; empty where it tells no counts."),
    opt("failed", BigInteger(), "Events it dropped."),
    opt("pending", BigInteger(), "Events it had not finished with."),
    col("status", text(32), "Its verdict on the whole: EXCELLENT, GOOD, NEEDS_ATTENTION, NO_RECENT_UPLOAD."),
    opt("score", Exact(2), "Match quality as the platform sees it, 0 to 10."),
    col("said", text(255), "Errors and match keys, each with the share of events."),
    col("read_at", Instant(), "When it was read."),
    col("run_id", text(32), "Run that read it."),
    source="platforms",
)

conversion_outbox = table(
    "conversion_outbox",
    "The ledger of conversions: one row per order, destination, action and revision, for ever. No personal data.",
    key("outbox_key", digest(), "SHA-256 of tenant, order, destination, action, revision."),
    col("order_key", digest(), "Order."),
    col("destination", text(32), "destinations/<kind>.py."),
    col("action", text(16), "purchase, restate, retract, value."),
    col("revision", SmallInteger(), "0 first; adjustments count up."),
    col("event_id", text(64), "What the platform deduplicates on.", **ORDER),
    col("order_ref", text(64), "Order id as the platform sees it.", **ORDER),
    col("occurred_at", Instant(), "Time of the conversion."),
    col("value", Exact(), "Money sent; of an adjustment what the sale is worth now, as a whole."),
    col(
        "value_basis",
        text(16),
        "What the value is: revenue, margin, revenue_no_cost (a margin without a cost), predicted_ltv (of action value).",
    ),
    opt("predicted_value", Exact(), "Predicted value of the buyer told beside it."),
    col("currency", text(3), "ISO 4217."),
    col(
        "state",
        text(16),
        "planned, gated, claimed, sent, accepted, processed, duplicate, expired, rejected, unknown, dead.",
    ),
    col("reason", text(64), "Why gated, expired or rejected: consent_denied, no_consent_policy, window …"),
    col("match_keys", text(255), "Names of what the buyer could be matched by, never the values."),
    col("consent_state", text(8), "granted, denied, unknown: as it was when this was decided."),
    col("consent_source", text(64), "Where it was recorded."),
    col("consent_version", text(32), "Version of the text the buyer saw."),
    opt("consent_at", Instant(), "When."),
    col("attempts", SmallInteger(), "Times claimed."),
    col("claim_id", text(32), "Who holds it."),
    opt("claimed_at", Instant(), "Since when."),
    opt("next_attempt_at", Instant(), "Not before."),
    opt("sent_at", Instant(), "When the platform was called; of a delivery in doubt the first time."),
    opt("settled_at", Instant(), "When its fate was final."),
    col("request_id", text(128), "The platform's words: request."),
    col("payload_sha256", digest(), "Of the bytes sent; empty before."),
    col("error_class", text(16), "data, config, auth, throttle, transient, ambiguous, expired, consent."),
    col("error_code", text(64), "The platform's code."),
    col("error_message", text(255), "The platform's words, cleaned."),
    col("created_at", Instant(), "Planned."),
    col("run_id", text(32), "Last run that touched it."),
    Index("ix_conversion_outbox_work", "destination", "state", "occurred_at"),
    Index("ix_conversion_outbox_order", "order_key", "destination", "action"),
    source="computed",
)

runs = Table(
    "runs",
    CONTROL,
    key("run_id", text(32), "Sortable by time."),
    col("tenant", text(32), "Client code."),
    col("pipeline", text(32), "Recipe."),
    col("since", Date(), "First day."),
    col("until", Date(), "Day after the last."),
    col("status", text(16), "queued, running, ok, failed, partial, interrupted, cancelled."),
    opt("queued_at", Instant(), "When it was left for a worker; empty when it ran where it was asked for."),
    col("started_at", Instant(), "Start; until then when it was queued."),
    opt("ended_at", Instant(), "End."),
    col("exit_code", SmallInteger(), "Design section 9."),
    col("config_sha256", digest(), "Of the client file as it was."),
    col("version", text(32), "Cortex version."),
    col("host", text(96), "Machine and process."),
    Index("ix_runs_tenant", "tenant", "started_at"),
    info={"meaning": "Every run of every client.", "retention": "workspace"},
)
run_steps = Table(
    "run_steps",
    CONTROL,
    key("run_id", text(32), "Run."),
    key("step", text(64), "Step and part: ads.meta."),
    col("position", SmallInteger(), "Order in the recipe."),
    col("status", text(16), "ready, running, ok, failed, skipped."),
    col("attempt", SmallInteger(), "Times started."),
    opt("started_at", Instant(), "Start."),
    opt("ended_at", Instant(), "End."),
    col("row_count", BigInteger(), "Rows written or sent."),
    col("summary", text(255), "One line for people."),
    col("facts", document(), "JSON: figures of the step."),
    col("error_code", text(16), "CTX-nnnn."),
    col("error_message", text(500), "Cleaned."),
    info={"meaning": "The steps of each run: rows, timings, errors.", "retention": "workspace"},
)
leases = Table(
    "leases",
    CONTROL,
    key("name", text(96), "tenant:<code>."),
    col("owner", text(32), "Run id."),
    col("host", text(96), "Machine and process."),
    col("acquired_at", Instant(), "Since."),
    col("expires_at", Instant(), "Free for others after this."),
    col("epoch", BigInteger(), "Counts up with every new owner: the fencing token."),
    info={"meaning": "Who may write to which client now.", "retention": "workspace"},
)
limit_slots = Table(
    "limit_slots",
    CONTROL,
    key("name", text(96), "Platform, kind and owner of the budget: meta:app:agency."),
    key("slot", SmallInteger(), "Place, from 0."),
    col("owner", text(32), "Run id; empty when free."),
    col("host", text(96), "Machine and process."),
    col("expires_at", Instant(), "Free for others after this."),
    Index("ix_limit_slots_owner", "owner"),
    info={
        "meaning": "Which runs work with a platform's account or app now, of the places there are.",
        "retention": "workspace",
    },
)
limit_calls = Table(
    "limit_calls",
    CONTROL,
    key("name", text(96), "Platform, kind and owner of the budget: meta:app:agency."),
    col("paused_until", Instant(), "No call before this: the platform asked one of its callers to wait."),
    col("spent_until", Instant(), "When calls counted so far are used up at the platform's rate."),
    info={"meaning": "When a platform's account or app may be called again, whoever calls.", "retention": "workspace"},
)
api_keys = Table(
    "api_keys",
    CONTROL,
    key("key_id", text(16), "The part of the key that may be shown."),
    col("name", text(64), "What people call it."),
    col("sha256", digest(), "Of the whole key, which is stored nowhere."),
    col("role", text(16), "admin: may also begin runs; analyst: reads; viewer: reads one client."),
    col("client", text(32), "The one client it is for; empty for all."),
    col("created_at", Instant(), "When."),
    opt("used_at", Instant(), "Last used, to the hour."),
    opt("revoked_at", Instant(), "Not valid since."),
    info={"meaning": "Keys of the HTTP API, as digests.", "retention": "workspace"},
)
api_posts = Table(
    "api_posts",
    CONTROL,
    key("key_id", text(16), "Who posted."),
    key("post", digest(), "Of the Idempotency-Key."),
    col("asked", digest(), "Of what was asked for: the same key may not ask for something else."),
    col("run_id", text(32), "The run that answered it."),
    col("posted_at", Instant(), "When."),
    info={"meaning": "Posts answered already, so that a repeated one begins no second run.", "retention": "a day"},
)
audit_log = Table(
    "audit_log",
    CONTROL,
    key("entry_id", text(32), "Sortable by time."),
    col("noted_at", Instant(), "When."),
    col("actor", text(96), "key:<key_id>, or cli:<user>@<machine>."),
    col("action", text(48), "run.begin, key.create, key.revoke, or what was refused: POST."),
    col("client", text(32), "Of which client; empty for none."),
    col("subject", text(64), "Run id or key id."),
    col("refusal", text(16), "CTX-nnnn of a refusal; empty when it was done."),
    col("facts", document(), "JSON: what was asked for."),
    info={"meaning": "Who changed what over the API, and who was refused.", "retention": "workspace"},
)
control_migrations = Table(
    "schema_migrations",
    CONTROL,
    key("version", text(16), "Number of the file."),
    col("name", text(128), "File name."),
    col("sha256", digest(), "Of the file as applied."),
    col("applied_at", Instant(), "When."),
    info={"meaning": "Migrations applied.", "retention": "workspace"},
)
