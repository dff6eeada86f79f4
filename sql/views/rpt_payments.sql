-- title: Payments
-- grain: day, method, installments, status
-- columns:
--   day           date   Local day the order was placed; test orders are left out.
--   method        text   pix, boleto, credit_card, debit_card, voucher, wallet, transfer, cash, other.
--   installments  count  1 or more.
--   status        text   Payment status.
--   payments      count  Payments.
--   orders        count  Orders they belong to.
--   amount        money  Money.
--   fees          money  What payment providers keep of it; empty where none tells.
SELECT
    o.order_date AS day,
    p.method AS method,
    p.installments AS installments,
    p.status AS status,
    COUNT(*) AS payments,
    COUNT(DISTINCT p.order_key) AS orders,
    SUM(p.amount) AS amount,
    SUM(p.fee) AS fees
FROM fct_payments p
JOIN fct_orders o ON o.order_key = p.order_key
WHERE o.is_test = 0
GROUP BY o.order_date, p.method, p.installments, p.status
