-- title: Products
-- grain: day, platform, product_id
-- columns:
--   day          date   Local day of payment.
--   platform     text   Store platform.
--   product_id   text   The platform's id.
--   sku          text   SKU as last seen in the catalogue, else as last sold.
--   name         text   Name as last seen in the catalogue, else as last sold.
--   category     text   First category level.
--   category_pt  text   Its name in Portuguese; the category itself where no name is known.
--   category_en  text   Its name in English, likewise.
--   category_es  text   Its name in Spanish, likewise.
--   abc_class    text   A, B or C by revenue; empty before the weekly run.
--   orders       count  Paid orders with the product.
--   units        count  Units in them.
--   revenue      money  Line totals: order discounts, freight and refunds are not shared out to lines.
--   fees         money  What marketplaces keep of the lines; empty where none tells.
--   cost         money  Units x unit cost; empty while any of the lines has no known cost.
SELECT
    o.paid_date AS day,
    i.platform AS platform,
    i.product_id AS product_id,
    COALESCE(MAX(p.sku), MAX(i.sku)) AS sku,
    COALESCE(MAX(p.name), MAX(i.name)) AS name,
    COALESCE(MAX(p.category), MAX(i.category)) AS category,
    COALESCE(MAX(n.name_pt), MAX(p.category), MAX(i.category)) AS category_pt,
    COALESCE(MAX(n.name_en), MAX(p.category), MAX(i.category)) AS category_en,
    COALESCE(MAX(n.name_es), MAX(p.category), MAX(i.category)) AS category_es,
    COALESCE(MAX(p.abc_class), '') AS abc_class,
    COUNT(DISTINCT i.order_key) AS orders,
    SUM(i.quantity) AS units,
    SUM(i.total) AS revenue,
    SUM(i.sale_fee) AS fees,
    CASE WHEN COUNT(COALESCE(i.unit_cost, p.cost_price)) = COUNT(*)
         THEN SUM(i.quantity * COALESCE(i.unit_cost, p.cost_price)) END AS cost
FROM fct_order_items i
JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id
LEFT JOIN dim_product_category_translation n ON n.category = COALESCE(p.category, i.category)
GROUP BY o.paid_date, i.platform, i.product_id
