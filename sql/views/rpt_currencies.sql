-- title: Money in other currencies, and by which rates it counts
-- grain: room, platform, day, native_currency
-- columns:
--   room             text    store, ads, traffic.
--   platform         text    nuvemshop, meta, ga4 …
--   day              date    Local day the orders were placed, the account's or property's own day for the rest.
--   native_currency  text    As the platform told it.
--   currency         text    The client's.
--   row_count        count   Orders, ad objects or sources.
--   native_amount    money   Asked of buyers, spent, or seen by GA4, in native_currency.
--   amount           money   The same in the client's currency, as reports count it.
--   missing          count   Rows without a rate: no report counts them.
--   missing_amount   money   Their money in native_currency.
SELECT
    t.room AS room,
    t.platform AS platform,
    t.day AS day,
    t.native_currency AS native_currency,
    t.currency AS currency,
    COUNT(*) AS row_count,
    SUM(t.native_amount) AS native_amount,
    SUM(t.amount) AS amount,
    SUM(t.missing) AS missing,
    SUM(t.missing * t.native_amount) AS missing_amount
FROM (
    SELECT
        'store' AS room, o.platform AS platform, o.order_date AS day, o.native_currency AS native_currency, o.currency AS currency,
        COALESCE(o.native_total, o.total) AS native_amount, o.total AS amount,
        CASE WHEN o.exchange_rate IS NULL THEN 1 ELSE 0 END AS missing
    FROM fct_orders o
    WHERE o.is_test = 0
    UNION ALL
    SELECT
        'ads', s.platform, s.day, s.native_currency, s.currency, s.native_spend, s.spend,
        CASE WHEN s.exchange_rate IS NULL THEN 1 ELSE 0 END
    FROM fct_ad_spend s
    UNION ALL
    SELECT
        'traffic', 'ga4', g.day, g.native_currency, g.currency, g.native_revenue, g.revenue,
        CASE WHEN g.exchange_rate IS NULL THEN 1 ELSE 0 END
    FROM fct_sessions g
) t
WHERE t.native_currency <> t.currency
GROUP BY t.room, t.platform, t.day, t.native_currency, t.currency
