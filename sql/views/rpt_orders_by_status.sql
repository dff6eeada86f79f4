-- title: Orders by status
-- grain: day, status, payment_status, is_test
-- columns:
--   day             date   Local day the order was placed.
--   status          text   open, closed, cancelled.
--   payment_status  text   pending, authorized, paid, partially_refunded, refunded, voided, abandoned, unknown.
--   is_test         flag   1 for test orders.
--   orders          count  Orders.
--   total           money  Asked of the buyers.
--   paid            money  Paid by them.
--   refunded        money  Given back so far.
SELECT
    o.order_date AS day,
    o.status AS status,
    o.payment_status AS payment_status,
    o.is_test AS is_test,
    COUNT(*) AS orders,
    SUM(o.total) AS total,
    SUM(o.paid) AS paid,
    SUM(o.refunded) AS refunded
FROM fct_orders o
GROUP BY o.order_date, o.status, o.payment_status, o.is_test
