"""The question asked of GA4's BigQuery export about the way to a sale: sessions by stage, and products in events."""

from __future__ import annotations

COLUMNS = (
    "kind", "day", "device", "source", "medium", "channel_group", "stage", "sessions", "events", "item_id", "viewed",
    "added", "purchased",
)  # fmt: skip
"""What a row answers. kind: `stage` (sessions that began on the day and got so far, and how often it happened in them),
`item` (units of a product in the day's events), `hidden` (events of visitors without consent, who have no session),
`unnamed` (product views without an item id). day: YYYYMMDD of the property."""

# Closed: a session is counted in a stage when it did what comes before it, in that order. Two things are let go: the
# form for the payment, which wallets skip, and a stage nobody told of on a day, which would close the way for everybody.
# A session belongs to the day of its first event, and to GA4's own last click of it. An order told twice is one.
QUERY = """
WITH seen AS (
  SELECT
    event_date AS day,
    event_timestamp AS moment,
    event_name AS event,
    user_pseudo_id AS person,
    (SELECT value.int_value FROM UNNEST(event_params) WHERE key = 'ga_session_id') AS session,
    device.category AS device,
    NULLIF(NULLIF(TRIM(ecommerce.transaction_id), ''), '(not set)') AS order_id,
    session_traffic_source_last_click.cross_channel_campaign AS credited,
    items
  FROM `{events}`
  WHERE _TABLE_SUFFIX BETWEEN @first AND @last OR _TABLE_SUFFIX IN UNNEST(@intraday)
),
told AS (
  SELECT
    day,
    LOGICAL_OR(event = 'view_item') AS has_view,
    LOGICAL_OR(event = 'add_to_cart') AS has_cart,
    LOGICAL_OR(event = 'begin_checkout') AS has_checkout
  FROM seen
  GROUP BY day
),
once AS (
  SELECT *
  FROM seen
  WHERE TRUE
  QUALIFY event != 'purchase' OR order_id IS NULL
    OR ROW_NUMBER() OVER (PARTITION BY event, order_id ORDER BY moment) = 1
),
walked AS (
  SELECT
    person,
    session,
    MIN(day) AS day,
    MIN(moment) AS begun,
    ARRAY_AGG(device IGNORE NULLS ORDER BY moment LIMIT 1)[SAFE_OFFSET(0)] AS device,
    ARRAY_AGG(credited IGNORE NULLS ORDER BY moment LIMIT 1)[SAFE_OFFSET(0)] AS credited,
    ARRAY_AGG(STRUCT(event, moment)) AS happened
  FROM once
  WHERE person IS NOT NULL AND session IS NOT NULL
  GROUP BY person, session
),
viewed AS (
  SELECT
    w.*, t.has_cart, t.has_checkout,
    IF(t.has_view, (SELECT MIN(h.moment) FROM UNNEST(w.happened) AS h WHERE h.event = 'view_item'), w.begun) AS view_at
  FROM walked AS w
  JOIN told AS t ON t.day = w.day
  WHERE w.day BETWEEN @since AND @until
),
carted AS (
  SELECT
    *,
    IF(
      has_cart,
      (SELECT MIN(h.moment) FROM UNNEST(happened) AS h WHERE h.event = 'add_to_cart' AND h.moment >= view_at),
      view_at
    ) AS cart_at
  FROM viewed
),
checked AS (
  SELECT
    *,
    IF(
      has_checkout,
      (SELECT MIN(h.moment) FROM UNNEST(happened) AS h WHERE h.event = 'begin_checkout' AND h.moment >= cart_at),
      cart_at
    ) AS checkout_at
  FROM carted
),
counted AS (
  SELECT
    day,
    COALESCE(device, '') AS device,
    COALESCE(credited.source, '') AS source,
    COALESCE(credited.medium, '') AS medium,
    COALESCE(credited.default_channel_group, '') AS channel_group,
    [
      STRUCT('visit' AS stage, TRUE AS got_there, 1 AS events),
      STRUCT('view', view_at IS NOT NULL, (SELECT COUNT(*) FROM UNNEST(happened) AS h WHERE h.event = 'view_item')),
      STRUCT('cart', cart_at IS NOT NULL, (SELECT COUNT(*) FROM UNNEST(happened) AS h WHERE h.event = 'add_to_cart')),
      STRUCT(
        'checkout', checkout_at IS NOT NULL,
        (SELECT COUNT(*) FROM UNNEST(happened) AS h WHERE h.event = 'begin_checkout')
      ),
      STRUCT(
        'payment',
        EXISTS (SELECT 1 FROM UNNEST(happened) AS h WHERE h.event = 'add_payment_info' AND h.moment >= checkout_at),
        (SELECT COUNT(*) FROM UNNEST(happened) AS h WHERE h.event = 'add_payment_info')
      ),
      STRUCT(
        'purchase',
        EXISTS (SELECT 1 FROM UNNEST(happened) AS h WHERE h.event = 'purchase' AND h.moment >= checkout_at),
        (SELECT COUNT(*) FROM UNNEST(happened) AS h WHERE h.event = 'purchase')
      )
    ] AS stages
  FROM checked
)
SELECT
  'stage' AS kind, c.day AS day, c.device AS device, c.source AS source, c.medium AS medium,
  c.channel_group AS channel_group, s.stage AS stage, COUNTIF(s.got_there AND s.events > 0) AS sessions,
  SUM(s.events) AS events, '' AS item_id, 0 AS viewed, 0 AS added, 0 AS purchased
FROM counted AS c, UNNEST(c.stages) AS s
GROUP BY c.day, c.device, c.source, c.medium, c.channel_group, s.stage
HAVING SUM(s.events) > 0
UNION ALL
SELECT
  'item', o.day, '', '', '', '', '', 0, 0, i.item_id,
  SUM(IF(o.event = 'view_item', COALESCE(i.quantity, 1), 0)),
  SUM(IF(o.event = 'add_to_cart', COALESCE(i.quantity, 1), 0)),
  SUM(IF(o.event = 'purchase', COALESCE(i.quantity, 1), 0))
FROM once AS o, UNNEST(o.items) AS i
WHERE o.event IN ('view_item', 'add_to_cart', 'purchase') AND o.day BETWEEN @since AND @until
  AND COALESCE(i.item_id, '') NOT IN ('', '(not set)')
GROUP BY o.day, i.item_id
UNION ALL
SELECT
  'hidden', day, '', '', '', '', '', 0, COUNT(*), '', 0, 0, 0
FROM once
WHERE person IS NULL AND day BETWEEN @since AND @until
  AND event IN ('session_start', 'view_item', 'add_to_cart', 'begin_checkout', 'add_payment_info', 'purchase')
GROUP BY day
UNION ALL
SELECT
  'unnamed', o.day, '', '', '', '', '', 0, 0, '', SUM(COALESCE(i.quantity, 1)), 0, 0
FROM once AS o, UNNEST(o.items) AS i
WHERE o.event = 'view_item' AND o.day BETWEEN @since AND @until AND COALESCE(i.item_id, '') IN ('', '(not set)')
GROUP BY o.day
"""
