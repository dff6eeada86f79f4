-- title: Buyers with what is expected of them
-- grain: customer_key
-- columns:
--   customer_key      text   Pseudonym of the buyer.
--   rfm_segment       text   Named RFM segment; empty before the weekly run.
--   behaviour         text   vip, regular, new, at_risk.
--   clv_tier          text   Quartile of clv.
--   first_order_date  date   First paid order.
--   last_order_date   date   Last paid order.
--   recency_days      count  Days since then.
--   is_churned        flag   1 by the rule of days without an order.
--   p_alive           rate   Chance that the buyer still is one.
--   churn_probability rate   1 - p_alive.
--   is_probably_gone  flag   1 when p_alive is below one half.
--   preferred_category text  First category level they spent most on; empty before the weekly run.
--   total_orders      count  Paid orders.
--   ltv_to_date       money  Paid less refunded.
--   margin            money  The same less freight, tax and cost of goods; empty while any order's cost is unknown.
--   orders_30         rate   Days with an order expected in 30 days.
--   orders_90         rate   In 90.
--   orders_180        rate   In 180.
--   orders_365        rate   In 365.
--   value_30          money  Money expected in 30 days.
--   value_90          money  In 90.
--   value_180         money  In 180.
--   value_365         money  In 365.
--   clv               money  Money expected in twelve months, discounted.
--   at_stake          money  What a buyer who is probably gone was worth beyond the first order, times that chance.
--   action_pt         text   What to do about the segment, in Portuguese.
--   action_en         text   In English.
--   action_es         text   In Spanish.
--   as_of             date   Last day the models saw.
SELECT
    p.customer_key AS customer_key,
    COALESCE(c.rfm_segment, '') AS rfm_segment,
    COALESCE(s.behaviour, '') AS behaviour,
    p.clv_tier AS clv_tier,
    c.first_order_date AS first_order_date,
    c.last_order_date AS last_order_date,
    c.recency_days AS recency_days,
    c.is_churned AS is_churned,
    p.p_alive AS p_alive,
    1.0 - p.p_alive AS churn_probability,
    p.is_probably_gone AS is_probably_gone,
    COALESCE(c.preferred_category, '') AS preferred_category,
    c.total_orders AS total_orders,
    c.ltv_to_date AS ltv_to_date,
    p.margin AS margin,
    p.orders_30 AS orders_30,
    p.orders_90 AS orders_90,
    p.orders_180 AS orders_180,
    p.orders_365 AS orders_365,
    p.value_30 AS value_30,
    p.value_90 AS value_90,
    p.value_180 AS value_180,
    p.value_365 AS value_365,
    p.clv AS clv,
    p.at_stake AS at_stake,
    COALESCE(s.action_pt, '') AS action_pt,
    COALESCE(s.action_en, '') AS action_en,
    COALESCE(s.action_es, '') AS action_es,
    p.as_of AS as_of
FROM customer_predictions p
JOIN dim_customers c ON c.customer_key = p.customer_key
LEFT JOIN dim_segments s ON s.segment = c.rfm_segment
