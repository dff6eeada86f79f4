-- title: Product categories
-- grain: day, category
-- columns:
--   day          date   Local day of payment.
--   category     text   First category level; empty where the store names none.
--   category_pt  text   Its name in Portuguese; the category itself where no name is known.
--   category_en  text   In English, likewise.
--   category_es  text   In Spanish, likewise.
--   orders       count  Paid orders with the category.
--   units        count  Units sold.
--   revenue      money  Line totals.
--   margin       money  revenue less cost of goods; empty while any line's cost is unknown.
SELECT
    t.day AS day,
    t.category AS category,
    COALESCE(MAX(n.name_pt), t.category) AS category_pt,
    COALESCE(MAX(n.name_en), t.category) AS category_en,
    COALESCE(MAX(n.name_es), t.category) AS category_es,
    COUNT(DISTINCT t.order_key) AS orders,
    SUM(t.quantity) AS units,
    SUM(t.total) AS revenue,
    CASE WHEN COUNT(t.unit_cost) = COUNT(*) THEN SUM(t.total - t.quantity * t.unit_cost) END AS margin
FROM (
    SELECT
        o.paid_date AS day, COALESCE(p.category, i.category) AS category,
        i.order_key, i.quantity, i.total, COALESCE(i.unit_cost, p.cost_price) AS unit_cost
    FROM fct_order_items i
    JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
    LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id
) t
LEFT JOIN dim_product_category_translation n ON n.category = t.category
GROUP BY t.day, t.category
