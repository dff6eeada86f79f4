-- title: Daily performance
-- grain: day
-- columns:
--   day             date   Local day; revenue is booked on the day of payment, refunds on their own day.
--   week_start      date   Monday of its week; empty outside the calendar (2015-2035).
--   month_start     date   First of its month.
--   is_holiday      flag   1 on Brazilian national holidays.
--   is_black_friday flag   1 on Black Friday.
--   gross_revenue   money  Paid by buyers.
--   refunds         money  Given back.
--   net_revenue     money  gross_revenue - refunds.
--   orders          count  Paid orders.
--   new_customers   count  Orders that won their buyer.
--   items           count  Units.
--   discounts       money  Discounts given.
--   shipping        money  Freight charged.
--   paid_revenue    money  Last-click revenue (paid less refunded) of the channels whose ad account is read here. A paid
--                          channel nobody connected shows no spend: its revenue over the others' would flatter them.
--   impressions     count  Of all ad accounts.
--   clicks          count  Of all ad accounts.
--   spend           money  Of all ad accounts, in the client's currency, on the account's own day.
--   aov             rate   gross_revenue / orders.
--   roas            rate   paid_revenue / spend.
--   mer             rate   gross_revenue / spend: what all marketing returned, whoever gets the credit.
--   cac             rate   spend / new_customers.
SELECT
    t.day AS day,
    d.week_start AS week_start,
    d.month_start AS month_start,
    d.is_holiday AS is_holiday,
    d.is_black_friday AS is_black_friday,
    SUM(t.gross_revenue) AS gross_revenue,
    SUM(t.refunds) AS refunds,
    SUM(t.gross_revenue) - SUM(t.refunds) AS net_revenue,
    SUM(t.orders) AS orders,
    SUM(t.new_customers) AS new_customers,
    SUM(t.items) AS items,
    SUM(t.discounts) AS discounts,
    SUM(t.shipping) AS shipping,
    SUM(t.paid_revenue) AS paid_revenue,
    SUM(t.impressions) AS impressions,
    SUM(t.clicks) AS clicks,
    SUM(t.spend) AS spend,
    CASE WHEN SUM(t.orders) > 0 THEN ROUND(1.0 * SUM(t.gross_revenue) / SUM(t.orders), 6) END AS aov,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.paid_revenue) / SUM(t.spend), 6) END AS roas,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.gross_revenue) / SUM(t.spend), 6) END AS mer,
    CASE WHEN SUM(t.new_customers) > 0 THEN ROUND(1.0 * SUM(t.spend) / SUM(t.new_customers), 6) END AS cac
FROM (
    SELECT
        o.paid_date AS day, o.paid AS gross_revenue, 0.00 AS refunds, 1 AS orders,
        o.is_new_customer AS new_customers, o.items AS items, o.discount AS discounts, o.shipping AS shipping,
        0.00 AS paid_revenue,
        0 AS impressions, 0 AS clicks, 0.00 AS spend
    FROM fct_orders o
    WHERE o.is_paid = 1 AND o.paid_date IS NOT NULL
    UNION ALL
    SELECT r.refund_date, 0.00, r.amount, 0, 0, 0, 0.00, 0.00, 0.00, 0, 0, 0.00
    FROM fct_refunds r
    JOIN fct_orders o ON o.order_key = r.order_key AND o.is_paid = 1
    UNION ALL
    SELECT a.order_date, 0.00, 0.00, 0, 0, 0, 0.00, 0.00, a.attributed_revenue, 0, 0, 0.00
    FROM fct_attribution a
    JOIN (SELECT DISTINCT platform FROM fct_ad_spend) b ON b.platform = a.channel
    WHERE a.model = 'last_click'
    UNION ALL
    SELECT s.day, 0.00, 0.00, 0, 0, 0, 0.00, 0.00, 0.00, s.impressions, s.clicks, s.spend
    FROM fct_ad_spend s
) t
LEFT JOIN dim_dates d ON d.day = t.day
GROUP BY t.day, d.week_start, d.month_start, d.is_holiday, d.is_black_friday
