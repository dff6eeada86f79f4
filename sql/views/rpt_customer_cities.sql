-- title: Customers by town, small groups merged
-- grain: state, city
-- columns:
--   state         text   UF of the last order; `other` beside the city `other`.
--   city          text   Town the postcode of the last order lies in, else as the order says; `other` for towns with fewer
--                        than five customers, and for one more where those together are fewer than five.
--   customers     count  Customers.
--   total_orders  count  Paid orders.
--   revenue       money  Paid less refunded.
WITH latest AS (
    SELECT
        o.customer_key, COALESCE(g.state, o.state) AS state, COALESCE(g.city, o.city) AS city,
        ROW_NUMBER() OVER (PARTITION BY o.customer_key ORDER BY o.paid_date DESC, o.paid_at DESC, o.order_key DESC) AS nth
    FROM fct_orders o
    LEFT JOIN dim_geolocation g ON g.country = o.country AND g.postal_prefix = o.postal_prefix
    WHERE o.is_paid = 1
),
towns AS (
    SELECT
        l.state AS state, l.city AS city, CASE WHEN COUNT(*) < 5 OR l.city = '' THEN 1 ELSE 0 END AS is_small,
        COUNT(*) AS customers, SUM(c.total_orders) AS orders, SUM(c.total_revenue) AS revenue
    FROM latest l
    JOIN dim_customers c ON c.customer_key = l.customer_key
    WHERE l.nth = 1
    GROUP BY l.state, l.city
),
ranked AS (
    SELECT
        t.state, t.city, t.is_small, t.customers, t.orders, t.revenue,
        SUM(CASE WHEN t.is_small = 1 THEN t.customers END) OVER () AS small,
        ROW_NUMBER() OVER (ORDER BY t.is_small, t.customers, t.state, t.city) AS nth
    FROM towns t
),
placed AS (
    SELECT
        CASE WHEN r.is_small = 1 OR (r.small < 5 AND r.nth = 1) THEN 'other' ELSE r.state END AS state,
        CASE WHEN r.is_small = 1 OR (r.small < 5 AND r.nth = 1) THEN 'other' ELSE r.city END AS city,
        r.customers, r.orders, r.revenue
    FROM ranked r
)
SELECT
    p.state AS state,
    p.city AS city,
    SUM(p.customers) AS customers,
    SUM(p.orders) AS total_orders,
    SUM(p.revenue) AS revenue
FROM placed p
GROUP BY p.state, p.city
