-- title: Channel performance
-- grain: day, model, channel
-- columns:
--   day                 date    Local day of payment for revenue, the account's own day for spend.
--   model               text    Attribution model.
--   channel             text    Marketing channel; unattributed where no touch is known.
--   name_pt             text    Its name in Portuguese.
--   name_en             text    Its name in English.
--   name_es             text    Its name in Spanish.
--   is_paid             flag    1 where media is bought.
--   sort_order          count   Fixed order of channels.
--   attributed_revenue  money   Paid less refunded, shared out by the model.
--   orders              weight  Sum of the orders' shares.
--   new_customers       weight  The same over orders that won their buyer.
--   impressions         count   Of the channel's ad platform.
--   clicks              count   Of the channel's ad platform.
--   spend               money   Of the channel's ad platform. The same for every model.
--   roas                rate    attributed_revenue / spend.
--   cac                 rate    spend / new_customers.
SELECT
    t.day AS day,
    t.model AS model,
    t.channel AS channel,
    c.name_pt AS name_pt,
    c.name_en AS name_en,
    c.name_es AS name_es,
    c.is_paid AS is_paid,
    c.sort_order AS sort_order,
    SUM(t.attributed_revenue) AS attributed_revenue,
    SUM(t.orders) AS orders,
    SUM(t.new_customers) AS new_customers,
    SUM(t.impressions) AS impressions,
    SUM(t.clicks) AS clicks,
    SUM(t.spend) AS spend,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.attributed_revenue) / SUM(t.spend), 6) END AS roas,
    CASE WHEN SUM(t.new_customers) > 0 THEN ROUND(1.0 * SUM(t.spend) / SUM(t.new_customers), 6) END AS cac
FROM (
    SELECT
        a.order_date AS day, a.model AS model, a.channel AS channel,
        a.attributed_revenue AS attributed_revenue, a.weight AS orders,
        CASE WHEN a.is_new_customer = 1 THEN a.weight ELSE 0.0 END AS new_customers,
        0 AS impressions, 0 AS clicks, 0.00 AS spend
    FROM fct_attribution a
    UNION ALL
    SELECT s.day, m.model, s.platform, 0.00, 0.0, 0.0, s.impressions, s.clicks, s.spend
    FROM fct_ad_spend s
    CROSS JOIN (SELECT DISTINCT model FROM fct_attribution) m
) t
LEFT JOIN dim_channels c ON c.channel = t.channel
GROUP BY t.day, t.model, t.channel, c.name_pt, c.name_en, c.name_es, c.is_paid, c.sort_order
