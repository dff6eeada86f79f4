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


PSEUDONYM = {"personal": "pseudonym"}
CLICK = {"personal": "online identifier"}

cortex_meta = table(
    "cortex_meta",
    "Whose schema this is; checked on every connection.",
    key("name", text(64), "Name of the fact: tenant, created_at, cortex_version, epoch (of the lease that may write)."),
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
    key("record_key", text(128), "The platform's id of the record."),
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
    col("noticed_at", Instant(), "When."),
)
raw_ecommerce_orders = table(
    "raw_ecommerce_orders",
    "Orders as landed, personal fields redacted.",
    key("platform", text(32), "Store platform."),
    key("external_id", text(64), "The platform's order id."),
    col("payload", document(), "JSON."),
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
dim_customers = table(
    "dim_customers",
    "Buyers under pseudonyms, with what they are worth. Recomputed by the value step.",
    key("customer_key", digest(), "HMAC-SHA-256 under the tenant's key.", **PSEUDONYM),
    col("first_order_date", Date(), "Local day of the first paid order."),
    col("last_order_date", Date(), "Local day of the last paid order."),
    col("first_order_key", digest(), "Their first paid order."),
    col("first_order_channel", text(32), "Channel of the first paid order, last click."),
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
    col("brand", text(128), "Brand."),
    opt("current_price", Exact(), "List price last seen."),
    opt("cost_price", Exact(), "Unit cost, where the shop keeps it."),
    opt("stock", Integer(), "Units, where the shop keeps it."),
    opt("abc_class", text(1), "A, B or C by revenue."),
    col("updated_at", Instant(), "When last seen."),
    source="store",
)
dim_sellers = table(
    "dim_sellers",
    "Sellers behind the lines of a marketplace's orders.",
    key("platform", text(32), "Store platform."),
    key("seller_id", text(64), "The platform's id."),
    col("city", text(96), "City."),
    col("state", text(8), "UF."),
    source="store",
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
    col("currency", text(3), "ISO 4217."),
    source="store",
)
fct_inventory = table(
    "fct_inventory",
    "Units in stock per day, of products whose stock the shop keeps.",
    key("platform", text(32), "Store platform."),
    key("product_id", text(64), "Product."),
    key("day", Date(), "Local day of the reading; the last one of a day counts."),
    col("stock", Integer(), "Units of all variants."),
    Index("ix_fct_inventory_day", "day"),
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
    col("external_id", text(64), "The platform's order id."),
    col("number", text(64), "Number shown to the buyer."),
    col("customer_key", digest(), "Buyer after duplicates are merged.", **PSEUDONYM),
    col("status", text(16), "open, closed, cancelled."),
    col(
        "payment_status",
        text(24),
        "pending, authorized, paid, partially_refunded, refunded, voided, abandoned, unknown.",
    ),
    col("fulfilment_status", text(32), "As the platform says."),
    col(
        "is_paid",
        SmallInteger(),
        "1 when money arrived: paid, partially_refunded or refunded, and not a test. Revenue counts these.",
    ),
    col("created_at", Instant(), "Placed."),
    col("updated_at", Instant(), "Last change by the platform's clock."),
    opt("paid_at", Instant(), "Paid: boleto and Pix may be days after created_at."),
    opt("cancelled_at", Instant(), "Cancelled."),
    opt("delivered_at", Instant(), "Delivered."),
    col("cancel_reason", text(64), "As the platform says."),
    col("order_date", Date(), "Local day of created_at."),
    opt("paid_date", Date(), "Local day of paid_at; revenue is booked on it."),
    col("currency", text(3), "ISO 4217."),
    col("subtotal", Exact(), "Sum of lines."),
    col("discount", Exact(), "Discounts on the order."),
    col("shipping", Exact(), "Freight charged."),
    col("tax", Exact(), "Tax charged on top."),
    col("total", Exact(), "Asked of the buyer."),
    col("paid", Exact(), "Paid by the buyer."),
    col("refunded", Exact(), "Given back so far."),
    col("payment_method", text(24), "Method of the largest payment."),
    col("installments", SmallInteger(), "Of the largest payment."),
    col("coupon", text(64), "Coupon code."),
    col("items", Integer(), "Units."),
    col("city", text(96), "City."),
    col("state", text(8), "UF."),
    col("postal_prefix", text(8), "First five digits of the CEP.", personal="quasi-identifier"),
    col("country", text(2), "ISO 3166."),
    col("marketplace", text(32), "Marketplace the order was imported from."),
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
    col("event_url", text(512), "Page of the purchase, no query."),
    col("consent_state", text(8), "granted, denied, unknown."),
    col("consent_source", text(64), "Where it was recorded."),
    col("consent_version", text(32), "Version of the text the buyer saw."),
    opt("consent_at", Instant(), "When."),
    col("is_new_customer", SmallInteger(), "1 when it is the buyer's first paid order."),
    col("run_id", text(32), "Last run that wrote it."),
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
    "Spend per ad object and day, in the account's own day and currency. Replaced by window: platforms restate.",
    key("platform", text(32), "meta, google, tiktok."),
    key("account_id", text(64), "Ad account."),
    key("day", Date(), "Account-local day."),
    key("campaign_id", text(64), "Campaign."),
    key("adset_id", text(64), "Ad set or ad group."),
    key("ad_id", text(64), "Ad; empty for money without an ad."),
    col("level", text(16), "ad, or campaign for what has no ad."),
    col("currency", text(3), "Account currency."),
    col("timezone", text(64), "Account zone."),
    col("impressions", BigInteger(), "Impressions."),
    col("reach", BigInteger(), "People reached that day; never summed over days."),
    col("clicks", BigInteger(), "Clicks."),
    col("spend", Exact(), "Cost."),
    col("conversions", Exact(6), "Claimed by the platform."),
    col("conversion_value", Exact(), "Claimed by the platform."),
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
    retention="13 months",
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
    col("revenue", Exact(), "Purchase revenue as GA4 saw it."),
    col("currency", text(3), "Property currency."),
    Index("ix_fct_sessions_day", "day"),
    source="ga4",
)
stg_touches = table(
    "stg_touches",
    "Touches as each source tells them, before they are merged into journeys. Replaced by window.",
    key("touch_key", digest(), "SHA-256 of the touch."),
    col("origin", text(8), "order, kit, ga4."),
    col("order_ref", text(64), "Order id or number as the source writes it."),
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
    Index("ix_stg_touches_order", "order_ref"),
    Index("ix_stg_touches_day", "origin", "day"),
    source="store, ga4, tracking kit",
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
    Index("ix_fct_attribution_day", "model", "order_date"),
    Index("ix_fct_attribution_date", "order_date"),
    source="computed",
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
conversion_outbox = table(
    "conversion_outbox",
    "The ledger of conversions: one row per order, destination, action and revision, for ever. No personal data.",
    key("outbox_key", digest(), "SHA-256 of tenant, order, destination, action, revision."),
    col("order_key", digest(), "Order."),
    col("destination", text(32), "destinations/<kind>.py."),
    col("action", text(16), "purchase, restate, retract."),
    col("revision", SmallInteger(), "0 first; adjustments count up."),
    col("event_id", text(64), "What the platform deduplicates on."),
    col("order_ref", text(64), "Order id as the platform sees it."),
    col("occurred_at", Instant(), "Time of the conversion."),
    col("value", Exact(), "Money sent."),
    col("currency", text(3), "ISO 4217."),
    col(
        "state", text(16), "planned, gated, claimed, accepted, processed, duplicate, expired, rejected, unknown, dead."
    ),
    col("reason", text(64), "Why gated, expired or rejected: consent_denied, no_consent_policy, window …"),
    col("attempts", SmallInteger(), "Times claimed."),
    col("claim_id", text(32), "Who holds it."),
    opt("claimed_at", Instant(), "Since when."),
    opt("next_attempt_at", Instant(), "Not before."),
    opt("sent_at", Instant(), "When the platform was called."),
    opt("settled_at", Instant(), "When its fate was final."),
    col("request_id", text(128), "The platform's words: request."),
    col("payload_sha256", digest(), "Of the bytes sent; empty before."),
    col("error_class", text(16), "data, config, auth, throttle, transient, ambiguous, expired, consent."),
    col("error_code", text(64), "The platform's code."),
    col("error_message", text(255), "The platform's words, cleaned."),
    col("created_at", Instant(), "Planned."),
    col("run_id", text(32), "Last run that touched it."),
    Index("ix_conversion_outbox_work", "destination", "state", "next_attempt_at"),
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
    info={"meaning": "Every run of every client."},
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
    info={"meaning": "The steps of each run: rows, timings, errors."},
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
    info={"meaning": "Who may write to which client now."},
)
control_migrations = Table(
    "schema_migrations",
    CONTROL,
    key("version", text(16), "Number of the file."),
    col("name", text(128), "File name."),
    col("sha256", digest(), "Of the file as applied."),
    col("applied_at", Instant(), "When."),
    info={"meaning": "Migrations applied."},
)
