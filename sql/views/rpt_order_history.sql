-- title: The states an order went through
-- grain: platform, external_id, updated_at
-- columns:
--   platform           text     Store platform.
--   external_id        text     The platform's order id.
--   updated_at         instant  The platform's time of the change.
--   status             text     open, closed, cancelled.
--   payment_status     text     pending, authorized, paid, partially_refunded, refunded, voided, abandoned, unknown.
--   fulfilment_status  text     As the platform says.
SELECT
    o.platform AS platform,
    o.external_id AS external_id,
    s.updated_at AS updated_at,
    s.status AS status,
    s.payment_status AS payment_status,
    s.fulfilment_status AS fulfilment_status
FROM fct_order_status s
JOIN fct_orders o ON o.order_key = s.order_key
