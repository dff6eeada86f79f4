-- title: Customers by state, small groups merged
-- grain: state
-- columns:
--   state         text   UF of the last order; `other` for states with fewer than five customers.
--   customers     count  Customers.
--   total_orders  count  Paid orders.
--   revenue       money  Paid less refunded.
SELECT
    t.place AS state,
    SUM(t.customers) AS customers,
    SUM(t.orders) AS total_orders,
    SUM(t.revenue) AS revenue
FROM (
    SELECT
        CASE WHEN COUNT(*) < 5 OR c.state = '' THEN 'other' ELSE c.state END AS place,
        COUNT(*) AS customers, SUM(c.total_orders) AS orders, SUM(c.total_revenue) AS revenue
    FROM dim_customers c
    GROUP BY c.state
) t
GROUP BY t.place
