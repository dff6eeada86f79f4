-- title: Retention, revenue and LTV of cohorts by month and by week
-- grain: grain, channel, cohort, period
-- columns:
--   grain       text   month, week.
--   channel     text   Channel that won them by the client's first model; empty for all. Weeks have no channels.
--   cohort      date   First day of the period of the first paid order.
--   period      count  Periods since then: 0 is the cohort's own.
--   customers   count  Size of the cohort.
--   active      count  Customers who paid an order in the period; this and what follows is empty until the period has ended.
--   orders      count  Paid orders of the period.
--   revenue     money  Paid less refunded in the period, refunds on their own day.
--   retention   rate   active / customers.
--   ltv         money  revenue up to and including the period / customers.
--   ltv_margin  money  The same less freight, tax and cost of goods; empty while any order's cost is unknown.
--   as_of       date   Last day of the run that computed it.
SELECT
    c.grain AS grain,
    c.channel AS channel,
    c.cohort AS cohort,
    c.period AS period,
    c.customers AS customers,
    c.active AS active,
    c.orders AS orders,
    c.revenue AS revenue,
    c.retention AS retention,
    c.ltv AS ltv,
    c.ltv_margin AS ltv_margin,
    c.as_of AS as_of
FROM cohort_cells c
