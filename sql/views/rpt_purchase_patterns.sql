-- title: When orders are placed
-- grain: weekday, hour
-- columns:
--   weekday  count  1 Monday to 7 Sunday, local.
--   hour     count  0-23, local.
--   orders   count  Paid orders placed then.
--   revenue  money  Paid.
SELECT
    p.weekday AS weekday,
    p.hour AS hour,
    p.orders AS orders,
    p.revenue AS revenue
FROM purchase_patterns p
