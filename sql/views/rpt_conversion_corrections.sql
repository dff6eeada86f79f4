-- title: Corrections of conversions
-- grain: destination, day, action, state, reason, currency
-- columns:
--   destination  text   Where the sale was told.
--   day          date   Local day the order was paid, else placed; empty when the order is unknown here.
--   action       text   restate: worth something else now. retract: worth nothing now.
--   state        text   State of the correction; gated and expired ones were never told.
--   reason       text   Why it could not be told: not_supported, adjustment_window, a gate.
--   currency     text   ISO 4217.
--   orders       count  Orders concerned.
--   told_value   money  What the platform was told when the sale was new.
--   true_value   money  What the sale is worth since.
--   difference   money  told_value less true_value: of what was never told, what the platform counts too much.
SELECT
    a.destination AS destination,
    COALESCE(o.paid_date, o.order_date) AS day,
    a.action AS action,
    a.state AS state,
    a.reason AS reason,
    a.currency AS currency,
    COUNT(*) AS orders,
    SUM(p.value) AS told_value,
    SUM(a.value) AS true_value,
    SUM(p.value) - SUM(a.value) AS difference
FROM conversion_outbox a
JOIN conversion_outbox p ON p.order_key = a.order_key AND p.destination = a.destination AND p.action = 'purchase'
LEFT JOIN fct_orders o ON o.order_key = a.order_key
WHERE a.action IN ('restate', 'retract') AND a.reason <> 'superseded'
GROUP BY a.destination, COALESCE(o.paid_date, o.order_date), a.action, a.state, a.reason, a.currency
