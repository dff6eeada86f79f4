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
--   reviews    count  Reviews of those orders.
--   scores     count  Sum of their scores: scores / reviews is the seller's rating.
SELECT
    o.paid_date AS day,
    i.platform AS platform,
    i.seller_id AS seller_id,
    COALESCE(s.city, '') AS city,
    COALESCE(s.state, '') AS state,
    COUNT(DISTINCT i.order_key) AS orders,
    SUM(i.quantity) AS units,
    SUM(i.total) AS revenue,
    COALESCE(MAX(r.reviews), 0) AS reviews,
    COALESCE(MAX(r.scores), 0) AS scores
FROM fct_order_items i
JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
LEFT JOIN dim_sellers s ON s.platform = i.platform AND s.seller_id = i.seller_id
LEFT JOIN (
    SELECT t.day, t.platform, t.seller_id, COUNT(*) AS reviews, SUM(t.score) AS scores
    FROM (
        SELECT DISTINCT b.paid_date AS day, k.platform, k.seller_id, v.review_id, v.order_key, v.score
        FROM fct_reviews v
        JOIN fct_orders b ON b.order_key = v.order_key AND b.is_paid = 1 AND b.paid_date IS NOT NULL
        JOIN fct_order_items k ON k.order_key = v.order_key
        WHERE k.seller_id <> ''
    ) t
    GROUP BY t.day, t.platform, t.seller_id
) r ON r.day = o.paid_date AND r.platform = i.platform AND r.seller_id = i.seller_id
WHERE i.seller_id <> ''
GROUP BY o.paid_date, i.platform, i.seller_id, COALESCE(s.city, ''), COALESCE(s.state, '')
