-- title: What buyers are worth, realised and expected
-- grain: dimension, entry
-- columns:
--   dimension           text   all, channel, cohort, product, segment, tier.
--   entry               text   Channel, month, platform and product id, segment or tier.
--   label               text   Name of the product; else the entry.
--   customers           count  Buyers.
--   repeat_customers    count  Of them, those with a second paid order.
--   orders              count  Paid orders.
--   revenue             money  Paid less refunded, to date.
--   ltv                 money  revenue / customers.
--   window_customers    count  Buyers whose LTV window has passed whole.
--   ltv_window          money  What those paid within it, per buyer.
--   margin              money  revenue less freight, tax and cost of goods; empty while any order's cost is unknown.
--   ltv_margin          money  margin / customers.
--   uncosted_customers  count  Buyers with an order whose cost is not known: they are why margin is empty.
--   value_365           money  Money expected in the next 365 days, per buyer.
--   clv                 money  Money expected in twelve months, discounted, per buyer.
--   spend               money  Ad spend, for all and for channels where media is bought.
--   cac                 money  spend / buyers won since the first day with spend.
--   ltv_to_cac          rate   ltv / cac.
--   as_of               date   Day the figures are true for.
SELECT
    c.dimension AS dimension,
    c.entry AS entry,
    c.label AS label,
    c.customers AS customers,
    c.repeat_customers AS repeat_customers,
    c.orders AS orders,
    c.revenue AS revenue,
    c.ltv AS ltv,
    c.window_customers AS window_customers,
    c.ltv_window AS ltv_window,
    c.margin AS margin,
    c.ltv_margin AS ltv_margin,
    c.uncosted_customers AS uncosted_customers,
    c.value_365 AS value_365,
    c.clv AS clv,
    c.spend AS spend,
    c.cac AS cac,
    c.ltv_to_cac AS ltv_to_cac,
    c.as_of AS as_of
FROM customer_value c
