-- title: Cohorts as the weekly run last saw them
-- grain: cohort_month
-- columns:
--   cohort_month      date   First of the month of the customers' first paid order.
--   as_of             date   Last day the figures are true for.
--   months            count  Months since then.
--   customers         count  Size of the cohort.
--   repeat_customers  count  Of them, those who came back.
--   total_orders      count  Paid orders so far.
--   revenue           money  Paid less refunded so far.
--   ltv               money  revenue / customers.
--   spend             money  Ad spend of the cohort's own month.
--   repeat_rate       rate   repeat_customers / customers.
--   cac               rate   spend / customers; empty without spend.
SELECT
    c.cohort_month AS cohort_month,
    c.as_of AS as_of,
    c.months AS months,
    c.customers AS customers,
    c.repeat_customers AS repeat_customers,
    c.total_orders AS total_orders,
    c.revenue AS revenue,
    c.ltv AS ltv,
    c.spend AS spend,
    CASE WHEN c.customers > 0 THEN ROUND(1.0 * c.repeat_customers / c.customers, 6) END AS repeat_rate,
    CASE WHEN c.customers > 0 AND c.spend > 0 THEN ROUND(1.0 * c.spend / c.customers, 6) END AS cac
FROM customer_cohorts c
