"""The nouns that travel between rooms. Immutable, typed, and masked when printed if they hold a person.

Instants are aware and in UTC; a `day` is the local calendar day of whoever reports it (the tenant for orders,
the ad account for spend, the property for GA4); money is Decimal in the currency named beside it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct, field

NOTHING = Decimal(0)
OrderStatus = Literal["open", "closed", "cancelled"]
PaymentStatus = Literal[
    "pending", "authorized", "paid", "partially_refunded", "refunded", "voided", "abandoned", "unknown"
]
PaymentMethod = Literal["pix", "boleto", "credit_card", "debit_card", "voucher", "wallet", "transfer", "cash", "other"]


class Person(Struct, frozen=True, kw_only=True, gc=False):
    """A buyer in the clear. Lives in memory while one order streams through; only `cortex.identity` reads it."""

    store_id: str = ""
    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    document: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    birth_date: str = ""
    gender: str = ""
    ip: str = ""
    user_agent: str = ""

    def __repr__(self) -> str:
        return "Person(••••)"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return []


class Clicks(Struct, frozen=True, kw_only=True, gc=False):
    """Click and browser ids, in their original case: they are matched byte for byte by the platforms."""

    gclid: str = ""
    gbraid: str = ""
    wbraid: str = ""
    fbc: str = ""
    fbp: str = ""
    fbclid: str = ""
    ttclid: str = ""
    ttp: str = ""
    """TikTok's id of the browser, from its pixel's own cookie `_ttp`."""
    msclkid: str = ""
    ga_client_id: str = ""
    """GA4's id of the browser, `1234567890.1700000000`, from its own cookie."""


class Touch(Struct, frozen=True, kw_only=True, gc=False):
    """One visit, with how it came. `order_id` is set when the source ties it to an order (the store, GA4)."""

    origin: Literal["order", "kit", "ga4", "ga4_bigquery"]
    occurred_at: datetime | None = None
    """None when the source knows only the day."""
    day: date | None = None
    order_id: str = ""
    source: str = ""
    medium: str = ""
    campaign: str = ""
    content: str = ""
    term: str = ""
    channel_group: str = ""
    """GA4's default channel group, when GA4 is the source."""
    campaign_id: str = ""
    clicks: Clicks = field(default_factory=Clicks)
    landing_page: str = ""
    """Path only: the query string may hold anything, so it never travels."""
    device: str = ""
    """Category of the browser's device as the source words it: mobile, desktop, tablet."""


class WalkedStep(Struct, frozen=True):
    """One visit of a path: how it came. `click` is the name of the click id it carried, never the id."""

    source: str
    medium: str
    channel_group: str
    click: str


class Walked(Struct, frozen=True):
    """Journeys that ended on a day after the same visits, oldest first: how many, and how many of them in an order."""

    origin: Literal["ga4_bigquery"]
    day: date
    steps: tuple[WalkedStep, ...]
    journeys: int
    orders: int


class Line(Struct, frozen=True, kw_only=True, gc=False):
    """One line of an order. `total` is what the line adds to the order's subtotal: quantity x unit price less discount."""

    line: int
    """1-based position; with the order it is the key."""
    product_id: str
    variant_id: str = ""
    sku: str = ""
    name: str = ""
    category: str = ""
    seller_id: str = ""
    quantity: int = 1
    unit_price: Decimal = Decimal(0)
    full_unit_price: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    unit_cost: Decimal | None = None
    sale_fee: Decimal | None = None
    """What the marketplace keeps of the line, where it tells."""
    manufacturing_days: int | None = None
    """Days to make it before it is sent, where the shop tells."""


class Payment(Struct, frozen=True, kw_only=True, gc=False):
    sequence: int
    method: PaymentMethod
    installments: int = 1
    amount: Decimal = Decimal(0)
    status: PaymentStatus = "unknown"
    paid_at: datetime | None = None
    fee: Decimal | None = None
    """What the payment provider keeps, where it tells."""


class Refund(Struct, frozen=True, kw_only=True, gc=False):
    """Money given back, on its own day. `amount` is positive."""

    refund_id: str
    created_at: datetime
    amount: Decimal
    reason: str = ""


class Consent(Struct, frozen=True, kw_only=True, gc=False):
    """What the buyer allowed, as the source recorded it. `unknown` is not a yes."""

    state: Literal["granted", "denied", "unknown"] = "unknown"
    source: str = ""
    version: str = ""
    at: datetime | None = None


class Order(Struct, frozen=True, kw_only=True, gc=False):
    """An order as its platform knows it now, cancelled and refunded ones included."""

    platform: str
    external_id: str
    number: str = ""
    status: OrderStatus
    payment_status: PaymentStatus
    status_detail: str = ""
    """The platform's own, finer word for where the order stands, where it has one."""
    fulfilment_status: str = ""
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    closed_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str = ""
    currency: str = "BRL"
    subtotal: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    shipping: Decimal = Decimal(0)
    shipping_cost: Decimal | None = None
    """What the shop itself pays for sending it, where it tells; `shipping` is what the buyer was charged."""
    shipping_mode: str = ""
    """How it is sent, in the shop's words: the option the buyer chose, else the carrier."""
    tax: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    """What the buyer was asked to pay: subtotal - discount + shipping + tax, as the platform states it."""
    paid: Decimal = Decimal(0)
    coupon: str = ""
    lines: list[Line] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    customer: Person = field(default_factory=Person)
    city: str = ""
    state: str = ""
    """UF for Brazil: SP, RJ …"""
    postal_prefix: str = ""
    """First five digits of the CEP: a district, not an address."""
    country: str = ""
    touches: list[Touch] = field(default_factory=list)
    clicks: Clicks = field(default_factory=Clicks)
    event_url: str = ""
    """Page of the purchase without its query string."""
    consent: Consent = field(default_factory=Consent)
    marketplace: str = ""
    """Name of the marketplace the order was imported from; empty for the shop's own."""
    test: bool = False
    payload: bytes = b"{}"
    """The platform's JSON with personal fields redacted: what may be kept."""

    @property
    def refunded(self) -> Decimal:
        return sum([refund.amount for refund in self.refunds], Decimal(0)) if self.refunds else NOTHING


class Product(Struct, frozen=True, kw_only=True):
    platform: str
    product_id: str
    variant_id: str = ""
    sku: str = ""
    name: str = ""
    category: str = ""
    category_level_2: str = ""
    category_level_3: str = ""
    brand: str = ""
    size: str = ""
    """Of all variants, with commas; so is the colour."""
    color: str = ""
    gender: str = ""
    condition: str = ""
    supplier_country: str = ""
    weight_kg: Decimal | None = None
    launched: date | None = None
    """Local day the shop first listed it."""
    price: Decimal = Decimal(0)
    compare_at_price: Decimal = Decimal(0)
    competitor_rank: int | None = None
    """Place among sellers of the same product, 1 the cheapest, where a marketplace tells; so is the position."""
    price_position: str = ""
    cost: Decimal | None = None
    stock: int | None = None
    reserved: int = 0
    """Units of `stock` promised to buyers already, where the shop tells."""
    reorder_point: int | None = None
    warehouse: str = ""
    currency: str = "BRL"
    updated_at: datetime | None = None


class Seller(Struct, frozen=True, kw_only=True):
    """A seller on a marketplace: a business, not a person."""

    platform: str
    seller_id: str
    nickname: str = ""
    city: str = ""
    state: str = ""
    reputation: str = ""
    """In the marketplace's words."""
    competitor: bool = False
    market_share: Decimal | None = None
    """0 to 1, of a competitor whose sales somebody estimated; what our own sell is counted."""


class Place(Struct, frozen=True, kw_only=True):
    """The town the first digits of a postcode belong to."""

    country: str
    postal_prefix: str
    city: str
    state: str


class Review(Struct, frozen=True, kw_only=True):
    """A score a buyer gave an order. What they wrote never travels: it may hold anything."""

    platform: str
    review_id: str
    order_id: str
    score: int
    created_at: datetime
    answered_at: datetime | None = None


class AdSpend(Struct, frozen=True, kw_only=True):
    """One ad object on one day of the account's own zone, in the account's own currency."""

    platform: str
    account_id: str
    level: Literal["campaign", "ad"]
    """`ad` rows plus one `campaign` row per campaign-day for what has no ad (Performance Max): never both for the same money."""
    day: date
    campaign_id: str
    campaign_name: str = ""
    adset_id: str = ""
    adset_name: str = ""
    ad_id: str = ""
    ad_name: str = ""
    currency: str = "BRL"
    timezone: str = ""
    impressions: int = 0
    reach: int = 0
    clicks: int = 0
    spend: Decimal = Decimal(0)
    conversions: Decimal = Decimal(0)
    """As the platform claims them, in its default attribution setting."""
    conversion_value: Decimal = Decimal(0)
    payload: bytes = b"{}"
    """The platform's own row as JSON, where it is at hand; of a remainder, the row of the whole."""


class AdClick(Struct, frozen=True, kw_only=True):
    """A click id and the ad it belongs to."""

    platform: str
    click_id: str
    day: date
    campaign_id: str
    adset_id: str = ""
    ad_id: str = ""


class Sessions(Struct, frozen=True, kw_only=True):
    """Visits of one day by source, in the property's zone."""

    property_id: str
    day: date
    source: str
    medium: str
    campaign: str
    channel_group: str = ""
    sessions: int = 0
    engaged_sessions: int = 0
    users: int = 0
    new_users: int = 0
    revenue: Decimal = Decimal(0)
    currency: str = "BRL"
    payload: bytes = b"[]"
    """The rows of the report behind this one, as JSON."""


Stage = Literal["visit", "view", "cart", "checkout", "payment", "purchase"]
STAGES: tuple[Stage, ...] = ("visit", "view", "cart", "checkout", "payment", "purchase")
"""Of the way from a visit to a sale, in their order."""


class Reached(Struct, frozen=True, kw_only=True):
    """How many visits of one day, device and source reached a stage of the shop, in the property's zone."""

    origin: Literal["ga4", "ga4_bigquery"]
    property_id: str
    day: date
    device: str
    source: str
    medium: str
    channel_group: str = ""
    stage: Stage
    sessions: int
    """Sessions that got so far, as the source counts them: see its `funnel`."""
    events: int
    """How often it happened, in whatever session."""


class Viewed(Struct, frozen=True, kw_only=True):
    """Units of one product looked at, put into carts and bought on one day, in the property's zone."""

    origin: Literal["ga4", "ga4_bigquery"]
    property_id: str
    day: date
    item_id: str
    """As the shop's tags tell it: the product's id, in the kit's."""
    viewed: int
    added: int
    purchased: int


class Account(Struct, frozen=True, kw_only=True):
    """What a platform answered to "who am I?": shown by onboard and doctor."""

    id: str
    name: str = ""
    currency: str = ""
    timezone: str = ""
    note: str = ""


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What a platform says of the conversions it was sent on one of its days, in its own counts."""

    part: str
    """What of it: the way in (Google's upload client), the event (Meta)."""
    day: date
    succeeded: int | None = None
    failed: int | None = None
    pending: int | None = None
    """None where the platform tells no counts."""
    status: str = ""
    score: Decimal | None = None
    """Match quality, 0 to 10, as the platform sees it."""
    said: str = ""
    """Its own words: errors and how often, match keys and how many events carry them."""


class Notice(Struct, frozen=True, kw_only=True):
    """Something a reader of the numbers must know: a cap, a truncation, sampling, an expired window. Stored and shown."""

    code: str
    stream: str
    message: str
    """For a terminal, in English."""
    count: int = 0
    value: Decimal = Decimal(0)
    facts: dict[str, str] = field(default_factory=dict)
    """What the message names, so that a report can say it in its reader's language (`cortex.reports.notices`)."""


class Sentence(Struct, frozen=True):
    """Words of a message, and what to type, if anything."""

    text: str
    command: str = ""


class Paragraph(Struct, frozen=True):
    """Sentences of a message under a heading."""

    heading: str
    sentences: tuple[Sentence, ...]


class Message(Struct, frozen=True, kw_only=True):
    """What people are told, in their language, whatever the channel. Never holds a person or a credential."""

    title: str
    paragraphs: tuple[Paragraph, ...] = ()


class History(Struct, frozen=True, kw_only=True):
    """How far back a platform reaches: days before today, and rows in one query. None is no known limit."""

    days: int | None = None
    rows: int | None = None


class Restatement(Struct, frozen=True, kw_only=True):
    """Days re-read because the platform still changes them: every day, and once a week."""

    daily: int
    weekly: int


class SendWindow(Struct, frozen=True, kw_only=True):
    """How old a conversion may be when it is sent: with a click id, or with hashed identifiers alone."""

    click: timedelta
    identifiers: timedelta

    def allows(self, occurred_at: datetime, now: datetime, *, has_click: bool) -> bool:
        return now - occurred_at <= (self.click if has_click else self.identifiers)


class IdentifierField(Struct, frozen=True, kw_only=True):
    """One match key of a destination: which fact of a person, which rule of `cortex.identity`, hashed or plain."""

    key: str
    """The destination's own name: `em`, `hashed_email` …"""
    fact: str
    """Attribute of Person."""
    rule: str
    """Name of a normaliser in `cortex.identity`."""
    hashed: bool = True
    variants: bool = False
    """Whether the destination takes a list, so that ambiguous rules may send every reading."""


class IdentifierRules(Struct, frozen=True, kw_only=True):
    """How a destination wants people written. Destinations declare it; the identity room applies it."""

    fields: tuple[IdentifierField, ...]


class Item(Struct, frozen=True, kw_only=True):
    product_id: str
    quantity: int
    unit_price: Decimal


class Conversion(Struct, frozen=True, kw_only=True):
    """One event for one destination. Cannot hold a name, an e-mail or a phone: only digests, click ids and,
    until the delivery is settled, IP and user agent."""

    key: str
    """Outbox key; receipts are returned in the order of the batch."""
    event_id: str
    """The same id the browser's pixel used, so that the platform keeps one of the two."""
    action: Literal["purchase", "restate", "retract", "value"] = "purchase"
    """value: the value predicted for the buyer of a purchase the platform has."""
    original_id: str = ""
    """Of a value: the event id of that purchase."""
    order_id: str
    occurred_at: datetime
    value: Decimal
    currency: str
    told: Decimal | None = None
    """Of an adjustment: the value the platform was told last. Needed where it takes the difference (GA4), not the rest."""
    adjusted_at: datetime | None = None
    """Of an adjustment: when the money went back. None: not known, the moment of sending is used."""
    identifiers: dict[str, list[str]] = field(default_factory=dict)
    """By the destination's own key; hex SHA-256 except where its rules say plain."""
    clicks: Clicks = field(default_factory=Clicks)
    ip: str = ""
    user_agent: str = ""
    event_url: str = ""
    items: list[Item] = field(default_factory=list)
    customer_type: Literal["new", "returning", ""] = ""
    value_bucket: Literal["low", "medium", "high", ""] = ""
    """The third of the shop's buyers, by value so far, the buyer is in."""
    net_revenue: Decimal | None = None
    """The margin, where `value` is one: Meta's optimisation for profit reads it under a name of its own."""
    predicted_ltv: Decimal | None = None
    """What the buyer is expected to be worth: this first order and the year after it, where the platform may be told."""


class Receipt(Struct, frozen=True, kw_only=True):
    """What became of one conversion, in the platform's words.

    accepted: taken (may still be processed asynchronously). duplicate: they had it already, which is success.
    rejected: final. retry: not taken, try later. unknown: it may have been taken; never resend blindly.
    """

    state: Literal["accepted", "duplicate", "rejected", "retry", "unknown"]
    request_id: str = ""
    error_class: str = ""
    """data, config, auth, throttle, transient, ambiguous, expired, consent."""
    error_code: str = ""
    message: str = ""
    processing: bool = False
    """Accepted for asynchronous processing: poll with the request id."""
    retry_after: float = 0.0
    """Seconds the platform asks to wait before a retry; 0 when it did not say."""
