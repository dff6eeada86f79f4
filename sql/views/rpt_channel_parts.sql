-- title: Channels by source, medium, device and payment
-- grain: day, model, channel, dimension, part
-- columns:
--   day                 date    Local day of payment.
--   model               text    Attribution model.
--   channel             text    Marketing channel; unattributed where no touch is known.
--   dimension           text    What the channel is divided by (source, medium, device, payment_method).
--   part                text    Source or medium of the credited visit, the order's device, or method of its largest payment; empty where nobody told.
--   attributed_revenue  money   Paid less refunded, shared out by the model.
--   orders              weight  Sum of the orders' shares.
--   new_customers       weight  The same over orders that won their buyer.
SELECT
    a.order_date AS day,
    a.model AS model,
    a.channel AS channel,
    d.dimension AS dimension,
    CASE d.dimension
        WHEN 'source' THEN COALESCE(p.source, '')
        WHEN 'medium' THEN COALESCE(p.medium, '')
        WHEN 'device' THEN o.device
        ELSE o.payment_method
    END AS part,
    SUM(a.attributed_revenue) AS attributed_revenue,
    SUM(a.weight) AS orders,
    SUM(CASE WHEN a.is_new_customer = 1 THEN a.weight ELSE 0.0 END) AS new_customers
FROM fct_attribution a
JOIN fct_orders o ON o.order_key = a.order_key
LEFT JOIN fct_touchpoints p ON p.order_key = a.order_key AND p.position = a.position
CROSS JOIN (
    SELECT 'source' AS dimension UNION ALL SELECT 'medium' UNION ALL SELECT 'device' UNION ALL SELECT 'payment_method'
) d
GROUP BY
    a.order_date, a.model, a.channel, d.dimension,
    CASE d.dimension
        WHEN 'source' THEN COALESCE(p.source, '')
        WHEN 'medium' THEN COALESCE(p.medium, '')
        WHEN 'device' THEN o.device
        ELSE o.payment_method
    END
