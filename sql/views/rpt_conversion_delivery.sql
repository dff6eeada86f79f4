-- title: Delivery of conversions
-- grain: destination, day, action, state, reason, currency
-- columns:
--   destination  text   Where it is sent.
--   day          date   Local day the order was paid, else placed; empty when the order is unknown here.
--   action       text   purchase, restate, retract.
--   state        text   planned, gated, claimed, sent, accepted, processed, duplicate, expired, rejected, unknown, dead.
--   reason       text   Why gated, expired or rejected.
--   currency     text   ISO 4217.
--   conversions  count  Rows of the ledger.
--   value        money  Their value.
--   attempts     count  Times they were claimed, together.
SELECT
    x.destination AS destination,
    COALESCE(o.paid_date, o.order_date) AS day,
    x.action AS action,
    x.state AS state,
    x.reason AS reason,
    x.currency AS currency,
    COUNT(*) AS conversions,
    SUM(x.value) AS value,
    SUM(x.attempts) AS attempts
FROM conversion_outbox x
LEFT JOIN fct_orders o ON o.order_key = x.order_key
GROUP BY x.destination, COALESCE(o.paid_date, o.order_date), x.action, x.state, x.reason, x.currency
