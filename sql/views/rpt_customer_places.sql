-- title: Customers by state, small groups merged
-- grain: state
-- columns:
--   state         text   UF of the last order; `other` for states with fewer than five customers, and for one more where
--                        those together are fewer than five.
--   customers     count  Customers.
--   total_orders  count  Paid orders.
--   revenue       money  Paid less refunded.
SELECT
    CASE WHEN t.is_small = 1 OR (t.small < 5 AND t.nth = 1) THEN 'other' ELSE t.state END AS state,
    SUM(t.customers) AS customers,
    SUM(t.orders) AS total_orders,
    SUM(t.revenue) AS revenue
FROM (
    SELECT
        p.state, p.is_small, p.customers, p.orders, p.revenue,
        SUM(CASE WHEN p.is_small = 1 THEN p.customers END) OVER () AS small,
        ROW_NUMBER() OVER (ORDER BY p.is_small, p.customers, p.state) AS nth
    FROM (
        SELECT
            c.state AS state, CASE WHEN COUNT(*) < 5 OR c.state = '' THEN 1 ELSE 0 END AS is_small,
            COUNT(*) AS customers, SUM(c.total_orders) AS orders, SUM(c.total_revenue) AS revenue
        FROM dim_customers c
        GROUP BY c.state
    ) p
) t
GROUP BY CASE WHEN t.is_small = 1 OR (t.small < 5 AND t.nth = 1) THEN 'other' ELSE t.state END
