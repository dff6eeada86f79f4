-- title: Sellers of a marketplace
-- grain: day, platform, seller_id
-- columns:
--   day        date   Local day of payment.
--   platform   text   Store platform.
--   seller_id  text   The platform's id.
--   city       text   Of the seller; empty when the platform does not tell.
--   state      text   Of the seller.
--   orders     count  Paid orders with their goods.
--   units      count  Units in them.
--   revenue    money  Line totals.
SELECT
    o.paid_date AS day,
    i.platform AS platform,
    i.seller_id AS seller_id,
    COALESCE(s.city, '') AS city,
    COALESCE(s.state, '') AS state,
    COUNT(DISTINCT i.order_key) AS orders,
    SUM(i.quantity) AS units,
    SUM(i.total) AS revenue
FROM fct_order_items i
JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
LEFT JOIN dim_sellers s ON s.platform = i.platform AND s.seller_id = i.seller_id
WHERE i.seller_id <> ''
GROUP BY o.paid_date, i.platform, i.seller_id, COALESCE(s.city, ''), COALESCE(s.state, '')
