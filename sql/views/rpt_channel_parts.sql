-- title: Channels by source, medium and payment
-- grain: day, model, channel, dimension, part
-- columns:
--   day                 date    Local day of payment.
--   model               text    Attribution model.
--   channel             text    Marketing channel; unattributed where no touch is known.
--   dimension           text    What the channel is divided by (source, medium, payment_method).
--   part                text    Source or medium of the credited visit, or method of the order's largest payment; empty where nobody told.
--   attributed_revenue  money   Paid less refunded, shared out by the model.
--   orders              weight  Sum of the orders' shares.
--   new_customers       weight  The same over orders that won their buyer.
SELECT
    t.day AS day,
    t.model AS model,
    t.channel AS channel,
    t.dimension AS dimension,
    t.part AS part,
    SUM(t.attributed_revenue) AS attributed_revenue,
    SUM(t.orders) AS orders,
    SUM(t.new_customers) AS new_customers
FROM (
    SELECT
        a.order_date AS day, a.model AS model, a.channel AS channel, 'source' AS dimension,
        COALESCE(p.source, '') AS part, a.attributed_revenue AS attributed_revenue, a.weight AS orders,
        CASE WHEN a.is_new_customer = 1 THEN a.weight ELSE 0.0 END AS new_customers
    FROM fct_attribution a
    LEFT JOIN fct_touchpoints p ON p.order_key = a.order_key AND p.position = a.position
    UNION ALL
    SELECT
        a.order_date, a.model, a.channel, 'medium', COALESCE(p.medium, ''), a.attributed_revenue, a.weight,
        CASE WHEN a.is_new_customer = 1 THEN a.weight ELSE 0.0 END
    FROM fct_attribution a
    LEFT JOIN fct_touchpoints p ON p.order_key = a.order_key AND p.position = a.position
    UNION ALL
    SELECT
        a.order_date, a.model, a.channel, 'payment_method', o.payment_method, a.attributed_revenue, a.weight,
        CASE WHEN a.is_new_customer = 1 THEN a.weight ELSE 0.0 END
    FROM fct_attribution a
    JOIN fct_orders o ON o.order_key = a.order_key
) t
GROUP BY t.day, t.model, t.channel, t.dimension, t.part
