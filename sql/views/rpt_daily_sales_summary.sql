-- title: Products by day and channel
-- grain: day, channel, platform, product_id
-- columns:
--   day         date   Local day of payment.
--   channel     text   Channel of the order, last click; unattributed without one.
--   platform    text   Store platform.
--   product_id  text   The platform's id.
--   name        text   Name as last seen in the catalogue, else as last sold.
--   orders      count  Paid orders with the product.
--   units       count  Units in them.
--   revenue     money  Line totals: order discounts, freight and refunds are not shared out to lines.
--   discounts   money  Discounts on the lines.
--   fees        money  What marketplaces keep of the lines; empty where none tells.
--   cost        money  Units x unit cost; empty while any of the lines has no known cost.
SELECT
    o.paid_date AS day,
    COALESCE(a.channel, 'unattributed') AS channel,
    i.platform AS platform,
    i.product_id AS product_id,
    COALESCE(MAX(p.name), MAX(i.name)) AS name,
    COUNT(DISTINCT i.order_key) AS orders,
    SUM(i.quantity) AS units,
    SUM(i.total) AS revenue,
    SUM(i.discount) AS discounts,
    SUM(i.sale_fee) AS fees,
    CASE WHEN COUNT(i.unit_cost) = COUNT(*) THEN SUM(i.quantity * i.unit_cost) END AS cost
FROM fct_order_items i
JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
LEFT JOIN fct_attribution a ON a.order_key = i.order_key AND a.model = 'last_click'
LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id
GROUP BY o.paid_date, COALESCE(a.channel, 'unattributed'), i.platform, i.product_id
