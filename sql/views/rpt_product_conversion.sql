-- title: Products from a look to a sale
-- grain: origin, day, platform, product_id
-- columns:
--   origin           text   Which source counts the views (ga4, ga4_bigquery).
--   day              date   Property-local day.
--   platform         text   Store platform.
--   product_id       text   The platform's id, found by id or by an SKU only one product has; the tags' own item id where the catalogue knows neither.
--   name             text   Name as last seen in the catalogue; empty where the product is not in it.
--   category         text   First category level.
--   is_known         flag   1 where the product is in the catalogue.
--   views            count  Units looked at.
--   carts            count  Units put into carts.
--   purchases        count  Units in GA4's purchases: fewer than the shop sold, because GA4 does not see every order.
--   cart_rate        rate   carts / views; empty while no view is known.
--   conversion_rate  rate   purchases / views, both as GA4 saw them; empty, not 0, while no view is known.
SELECT
    t.origin AS origin,
    t.day AS day,
    t.platform AS platform,
    t.product_id AS product_id,
    MAX(t.name) AS name,
    MAX(t.category) AS category,
    MAX(t.is_known) AS is_known,
    SUM(t.viewed) AS views,
    SUM(t.added) AS carts,
    SUM(t.purchased) AS purchases,
    CASE WHEN SUM(t.viewed) > 0 THEN ROUND(1.0 * SUM(t.added) / SUM(t.viewed), 6) END AS cart_rate,
    CASE WHEN SUM(t.viewed) > 0 THEN ROUND(1.0 * SUM(t.purchased) / SUM(t.viewed), 6) END AS conversion_rate
FROM (
    SELECT
        v.origin AS origin,
        v.day AS day,
        v.platform AS platform,
        COALESCE(p.product_id, s.product_id, v.item_id) AS product_id,
        COALESCE(p.name, s.name, '') AS name,
        COALESCE(p.category, s.category, '') AS category,
        CASE WHEN p.product_id IS NULL AND s.product_id IS NULL THEN 0 ELSE 1 END AS is_known,
        v.viewed AS viewed,
        v.added AS added,
        v.purchased AS purchased
    FROM fct_product_views v
    LEFT JOIN dim_products p ON p.platform = v.platform AND p.product_id = v.item_id
    LEFT JOIN (
        SELECT platform, sku, MIN(product_id) AS product_id, MIN(name) AS name, MIN(category) AS category
        FROM dim_products
        WHERE sku <> ''
        GROUP BY platform, sku
        HAVING COUNT(*) = 1
    ) s ON s.platform = v.platform AND s.sku = v.item_id
) t
GROUP BY t.origin, t.day, t.platform, t.product_id
