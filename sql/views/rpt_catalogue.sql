-- title: The catalogue as it stands
-- grain: channel, external_id
-- columns:
--   channel       text   Where it is listed.
--   external_id   text   The listing's id there.
--   title         text   As listed.
--   category      text   First category level.
--   category_2    text   Second category level; empty where there is none.
--   category_3    text   Third category level; empty where there is none.
--   brand         text   Brand.
--   size          text   Sizes it is sold in, with commas; empty where the shop names none.
--   color         text   Colours it is sold in, likewise.
--   gender        text   Whom it is made for, in the shop's words.
--   product_condition text   New, used …, in the shop's words.
--   supplier_country  text   Where it comes from, ISO 3166; empty where the shop does not say.
--   weight_kg     measure  Weight of one unit in kilograms.
--   launch_date   date   Local day the shop first listed it.
--   rating        rate   Mean score of the reviews of orders with it.
--   reviews       count  Those reviews.
--   abc_class     text   A, B or C by revenue; empty before the weekly run.
--   is_active     flag   1 while it is listed.
--   currency      text   ISO 4217.
--   price         money  Asked now, promotions included.
--   full_price    money  Asked without promotions.
--   discount      rate   1 - price / full_price.
--   cost_price    money  Unit cost, where the shop keeps it.
--   margin        rate   1 - cost_price / price.
--   competitor_rank  count  Place among sellers of the same product, 1 the cheapest, where a marketplace tells.
--   price_position   text   How a marketplace calls the price beside others; empty where it does not.
--   price_since   date   Day the price was first seen.
--   prices        count  Different days on which its price changed, the first included.
--   stock         count  Units on the last day the shop told; empty where it keeps no stock.
--   available     count  Of them not promised to a buyer yet.
--   reserved      count  Of them promised already.
--   reorder_point count  At so few available units more should be ordered.
--   is_low_stock  flag   1 when available is no more than that.
--   stock_day     date   That day.
SELECT
    l.channel AS channel,
    l.external_id AS external_id,
    l.title AS title,
    COALESCE(p.category, '') AS category,
    COALESCE(p.category_level_2, '') AS category_2,
    COALESCE(p.category_level_3, '') AS category_3,
    COALESCE(p.brand, '') AS brand,
    COALESCE(p.size, '') AS size,
    COALESCE(p.color, '') AS color,
    COALESCE(p.gender, '') AS gender,
    COALESCE(p.product_condition, '') AS product_condition,
    COALESCE(p.supplier_country, '') AS supplier_country,
    p.weight_kg AS weight_kg,
    p.launch_date AS launch_date,
    r.rating AS rating,
    COALESCE(r.reviews, 0) AS reviews,
    COALESCE(p.abc_class, '') AS abc_class,
    l.is_active AS is_active,
    l.currency AS currency,
    l.price AS price,
    h.full_price AS full_price,
    CASE WHEN h.full_price > 0 THEN ROUND(1.0 - 1.0 * h.price / h.full_price, 6) END AS discount,
    p.cost_price AS cost_price,
    CASE WHEN l.price > 0 THEN ROUND(1.0 - 1.0 * p.cost_price / l.price, 6) END AS margin,
    h.competitor_rank AS competitor_rank,
    COALESCE(h.price_position, '') AS price_position,
    h.day AS price_since,
    COALESCE(c.prices, 0) AS prices,
    s.stock AS stock,
    s.available AS available,
    s.reserved AS reserved,
    s.reorder_point AS reorder_point,
    CASE WHEN s.available <= s.reorder_point THEN 1 ELSE 0 END AS is_low_stock,
    s.day AS stock_day
FROM channel_products l
LEFT JOIN dim_products p ON p.platform = l.channel AND p.product_id = l.product_id
LEFT JOIN (
    SELECT platform, product_id, COUNT(*) AS prices, MAX(day) AS last_day FROM price_history GROUP BY platform, product_id
) c ON c.platform = l.channel AND c.product_id = l.product_id
LEFT JOIN price_history h ON h.platform = c.platform AND h.product_id = c.product_id AND h.day = c.last_day
LEFT JOIN (
    SELECT
        i.platform, i.product_id, i.day, SUM(i.stock) AS stock, SUM(i.available) AS available,
        SUM(i.reserved) AS reserved, SUM(i.reorder_point) AS reorder_point
    FROM fct_inventory i
    JOIN (
        SELECT platform, product_id, MAX(day) AS last_day FROM fct_inventory GROUP BY platform, product_id
    ) k ON k.platform = i.platform AND k.product_id = i.product_id AND k.last_day = i.day
    GROUP BY i.platform, i.product_id, i.day
) s ON s.platform = l.channel AND s.product_id = l.product_id
LEFT JOIN (
    SELECT t.platform, t.product_id, ROUND(AVG(1.0 * t.score), 6) AS rating, COUNT(*) AS reviews
    FROM (
        SELECT DISTINCT v.order_key, v.review_id, v.score, i.platform, i.product_id
        FROM fct_reviews v
        JOIN fct_order_items i ON i.order_key = v.order_key
    ) t
    GROUP BY t.platform, t.product_id
) r ON r.platform = l.channel AND r.product_id = l.product_id
