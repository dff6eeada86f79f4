-- title: How many paid visits could be tied to a campaign
-- grain: day, channel
-- columns:
--   day         date   Local day the order was placed.
--   channel     text   Paid channel of the visit.
--   touches     count  Visits before orders that came through it.
--   matched     count  Of them, those tied to a campaign the platform reports, by click id or by tags.
--   match_rate  rate   matched / touches.
SELECT
    o.order_date AS day,
    t.channel AS channel,
    COUNT(*) AS touches,
    SUM(CASE WHEN t.campaign_id <> '' THEN 1 ELSE 0 END) AS matched,
    ROUND(1.0 * SUM(CASE WHEN t.campaign_id <> '' THEN 1 ELSE 0 END) / COUNT(*), 6) AS match_rate
FROM fct_touchpoints t
JOIN fct_orders o ON o.order_key = t.order_key
JOIN dim_channels c ON c.channel = t.channel AND c.is_paid = 1
GROUP BY o.order_date, t.channel
