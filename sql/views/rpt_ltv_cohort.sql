-- title: Value of customers by month of their first order
-- grain: cohort_month, month
-- columns:
--   cohort_month                     date   First of the month of the customers' first paid order.
--   month                            count  Months since then: 0 is the cohort's own month.
--   is_complete                      flag   1 when that month has ended in the data; show nothing for later ones.
--   customers                        count  Size of the cohort.
--   active_customers                 count  Customers who paid an order in that month.
--   orders                           count  Paid orders of that month.
--   revenue                          money  Paid less refunded in that month, refunds on their own day.
--   cumulative_revenue               money  revenue up to and including that month.
--   repeat_customers                 count  Customers whose second paid order has come by then.
--   spend                            money  Ad spend of the cohort's own month.
--   retention                        rate   active_customers / customers.
--   repeat_rate                      rate   repeat_customers / customers.
--   cumulative_revenue_per_customer  rate   cumulative_revenue / customers.
--   cac                              rate   spend / customers; empty without spend.
--   paid_back                        flag   1 when cumulative_revenue_per_customer has reached cac; empty without spend.
WITH paid AS (
    SELECT
        o.customer_key, o.paid, d.month_index, d.month_start,
        ROW_NUMBER() OVER (PARTITION BY o.customer_key ORDER BY o.paid_date, o.paid_at, o.order_key) AS nth
    FROM fct_orders o
    JOIN dim_dates d ON d.day = o.paid_date
    WHERE o.is_paid = 1
),
cohorts AS (
    SELECT customer_key, month_index AS cohort_index, month_start AS cohort_month FROM paid WHERE nth = 1
),
sizes AS (
    SELECT cohort_index, cohort_month, COUNT(*) AS customers FROM cohorts GROUP BY cohort_index, cohort_month
),
events AS (
    SELECT customer_key, month_index, paid AS amount, 1 AS orders, CASE WHEN nth = 2 THEN 1 ELSE 0 END AS seconds
    FROM paid
    UNION ALL
    SELECT o.customer_key, d.month_index, 0.00 - r.amount, 0, 0
    FROM fct_refunds r
    JOIN fct_orders o ON o.order_key = r.order_key AND o.is_paid = 1
    JOIN dim_dates d ON d.day = r.refund_date
),
months AS (
    SELECT
        c.cohort_index, e.month_index, SUM(e.amount) AS revenue, SUM(e.orders) AS orders, SUM(e.seconds) AS seconds,
        COUNT(DISTINCT CASE WHEN e.orders = 1 THEN e.customer_key END) AS active_customers
    FROM events e
    JOIN cohorts c ON c.customer_key = e.customer_key
    GROUP BY c.cohort_index, e.month_index
),
cells AS (
    SELECT
        s.cohort_month, s.cohort_index, s.customers, calendar.month_index,
        CASE WHEN calendar.month_index < bounds.last_index THEN 1 ELSE 0 END AS is_complete,
        COALESCE(m.active_customers, 0) AS active_customers,
        COALESCE(m.orders, 0) AS orders,
        COALESCE(m.revenue, 0.00) AS revenue,
        SUM(COALESCE(m.revenue, 0.00)) OVER (PARTITION BY s.cohort_index ORDER BY calendar.month_index) AS cumulative,
        SUM(COALESCE(m.seconds, 0)) OVER (PARTITION BY s.cohort_index ORDER BY calendar.month_index) AS repeated
    FROM sizes s
    CROSS JOIN (SELECT MAX(month_index) AS last_index FROM events) bounds
    JOIN (SELECT DISTINCT month_index FROM dim_dates) calendar
        ON calendar.month_index >= s.cohort_index AND calendar.month_index <= bounds.last_index
    LEFT JOIN months m ON m.cohort_index = s.cohort_index AND m.month_index = calendar.month_index
),
spent AS (
    SELECT d.month_index, SUM(a.spend) AS spend
    FROM fct_ad_spend a
    JOIN dim_dates d ON d.day = a.day
    GROUP BY d.month_index
)
SELECT
    x.cohort_month AS cohort_month,
    x.month_index - x.cohort_index AS month,
    x.is_complete AS is_complete,
    x.customers AS customers,
    x.active_customers AS active_customers,
    x.orders AS orders,
    x.revenue AS revenue,
    x.cumulative AS cumulative_revenue,
    x.repeated AS repeat_customers,
    COALESCE(p.spend, 0.00) AS spend,
    ROUND(1.0 * x.active_customers / x.customers, 6) AS retention,
    ROUND(1.0 * x.repeated / x.customers, 6) AS repeat_rate,
    ROUND(1.0 * x.cumulative / x.customers, 6) AS cumulative_revenue_per_customer,
    CASE WHEN p.spend > 0 THEN ROUND(1.0 * p.spend / x.customers, 6) END AS cac,
    CASE WHEN p.spend > 0 THEN CASE WHEN x.cumulative >= p.spend THEN 1 ELSE 0 END END AS paid_back
FROM cells x
LEFT JOIN spent p ON p.month_index = x.cohort_index
