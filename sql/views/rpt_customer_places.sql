-- title: Customers by state, small groups merged
-- grain: state
-- columns:
--   state         text   UF of the last order; `other` for states with fewer than five customers, and for one more where
--                        those together are fewer than five.
--   customers     count  Customers.
--   total_orders  count  Paid orders.
--   revenue       money  Paid less refunded.
WITH states AS (
    SELECT
        c.state AS state, CASE WHEN COUNT(*) < 5 OR c.state = '' THEN 1 ELSE 0 END AS is_small,
        COUNT(*) AS customers, SUM(c.total_orders) AS orders, SUM(c.total_revenue) AS revenue
    FROM dim_customers c
    GROUP BY c.state
),
ranked AS (
    SELECT
        s.state, s.is_small, s.customers, s.orders, s.revenue,
        SUM(CASE WHEN s.is_small = 1 THEN s.customers END) OVER () AS small,
        ROW_NUMBER() OVER (ORDER BY s.is_small, s.customers, s.state) AS nth
    FROM states s
),
placed AS (
    SELECT
        CASE WHEN r.is_small = 1 OR (r.small < 5 AND r.nth = 1) THEN 'other' ELSE r.state END AS state,
        r.customers, r.orders, r.revenue
    FROM ranked r
)
SELECT
    p.state AS state,
    SUM(p.customers) AS customers,
    SUM(p.orders) AS total_orders,
    SUM(p.revenue) AS revenue
FROM placed p
GROUP BY p.state
