-- title: What is sold at which price
-- grain: day, price_range
-- columns:
--   day          date   Local day of payment.
--   price_range  text   0-50, 50-100, 100-200, 200-500, 500+ by unit price; 50.00 is in 50-100.
--   sort_order   count  1 is the cheapest.
--   orders       count  Paid orders with such a line.
--   units        count  Units sold.
--   revenue      money  Line totals.
SELECT
    t.day AS day,
    t.price_range AS price_range,
    t.sort_order AS sort_order,
    COUNT(DISTINCT t.order_key) AS orders,
    SUM(t.quantity) AS units,
    SUM(t.total) AS revenue
FROM (
    SELECT
        o.paid_date AS day, i.order_key, i.quantity, i.total,
        CASE WHEN i.unit_price < 50 THEN '0-50' WHEN i.unit_price < 100 THEN '50-100'
             WHEN i.unit_price < 200 THEN '100-200' WHEN i.unit_price < 500 THEN '200-500' ELSE '500+' END AS price_range,
        CASE WHEN i.unit_price < 50 THEN 1 WHEN i.unit_price < 100 THEN 2
             WHEN i.unit_price < 200 THEN 3 WHEN i.unit_price < 500 THEN 4 ELSE 5 END AS sort_order
    FROM fct_order_items i
    JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
) t
GROUP BY t.day, t.price_range, t.sort_order
