-- title: The catalogue as it stands
-- grain: channel, external_id
-- columns:
--   channel       text   Where it is listed.
--   external_id   text   The listing's id there.
--   title         text   As listed.
--   category      text   First category level.
--   abc_class     text   A, B or C by revenue; empty before the weekly run.
--   is_active     flag   1 while it is listed.
--   currency      text   ISO 4217.
--   price         money  Asked now, promotions included.
--   full_price    money  Asked without promotions.
--   discount      rate   1 - price / full_price.
--   price_since   date   Day the price was first seen.
--   prices        count  Different days on which its price changed, the first included.
--   stock         count  Units on the last day the shop told; empty where it keeps no stock.
--   stock_day     date   That day.
SELECT
    l.channel AS channel,
    l.external_id AS external_id,
    l.title AS title,
    COALESCE(p.category, '') AS category,
    COALESCE(p.abc_class, '') AS abc_class,
    l.is_active AS is_active,
    l.currency AS currency,
    l.price AS price,
    h.full_price AS full_price,
    CASE WHEN h.full_price > 0 THEN ROUND(1.0 - 1.0 * h.price / h.full_price, 6) END AS discount,
    h.day AS price_since,
    COALESCE(c.prices, 0) AS prices,
    s.stock AS stock,
    s.day AS stock_day
FROM channel_products l
LEFT JOIN dim_products p ON p.platform = l.channel AND p.product_id = l.product_id
LEFT JOIN (
    SELECT platform, product_id, COUNT(*) AS prices, MAX(day) AS last_day FROM price_history GROUP BY platform, product_id
) c ON c.platform = l.channel AND c.product_id = l.product_id
LEFT JOIN price_history h ON h.platform = c.platform AND h.product_id = c.product_id AND h.day = c.last_day
LEFT JOIN (
    SELECT platform, product_id, MAX(day) AS last_day FROM fct_inventory GROUP BY platform, product_id
) k ON k.platform = l.channel AND k.product_id = l.product_id
LEFT JOIN fct_inventory s ON s.platform = k.platform AND s.product_id = k.product_id AND s.day = k.last_day
