-- title: The eleven RFM segments
-- grain: segment
-- columns:
--   segment         text    Named RFM segment.
--   behaviour       text    vip, regular, new, at_risk.
--   sort_order      count   Fixed order, best first.
--   name_pt         text    Name in Portuguese.
--   name_en         text    Name in English.
--   name_es         text    Name in Spanish.
--   customers       count   Customers; 0 for a segment nobody is in.
--   total_orders    count   Their paid orders.
--   revenue         money   Paid less refunded.
--   expected_alive  weight  How many of them are expected to be buyers still: the sum of their chances.
--   value_365       money   Money expected of them in 365 days.
--   action_pt       text    What to do, in Portuguese.
--   action_en       text    In English.
--   action_es       text    In Spanish.
SELECT
    s.segment AS segment,
    s.behaviour AS behaviour,
    s.sort_order AS sort_order,
    s.name_pt AS name_pt,
    s.name_en AS name_en,
    s.name_es AS name_es,
    COUNT(c.customer_key) AS customers,
    COALESCE(SUM(c.total_orders), 0) AS total_orders,
    COALESCE(SUM(c.total_revenue), 0.00) AS revenue,
    COALESCE(SUM(p.p_alive), 0.0) AS expected_alive,
    COALESCE(SUM(p.value_365), 0.00) AS value_365,
    s.action_pt AS action_pt,
    s.action_en AS action_en,
    s.action_es AS action_es
FROM dim_segments s
LEFT JOIN dim_customers c ON c.rfm_segment = s.segment
LEFT JOIN customer_predictions p ON p.customer_key = c.customer_key
GROUP BY s.segment, s.behaviour, s.sort_order, s.name_pt, s.name_en, s.name_es, s.action_pt, s.action_en, s.action_es
