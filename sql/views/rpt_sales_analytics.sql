-- title: Sales by day, week and month
-- grain: grain, period_start
-- columns:
--   grain            text   day, week, month.
--   period_start     date   First local day; weeks begin on Monday.
--   orders           count  Paid orders.
--   buyers           count  Different buyers of them.
--   new_customers    count  Orders that won their buyer.
--   items            count  Units.
--   gross_revenue    money  Paid.
--   refunds          money  Given back in the period.
--   net_revenue      money  gross_revenue - refunds.
--   spend            money  Of all ad accounts.
--   sessions         count  Visits GA4 counted.
--   aov              rate   gross_revenue / orders.
--   frequency        rate   orders / buyers.
--   conversion_rate  rate   orders / sessions; empty without sessions, because then nobody knows.
--   return_rate      rate   Orders refunded in the period / orders paid in it.
--   cac              rate   spend / new_customers.
--   growth           rate   gross_revenue against the period before, less 1; empty when that has none, or is not there.
--   frequency_growth rate   frequency against the period before, likewise.
SELECT
    s.grain AS grain,
    s.period_start AS period_start,
    s.orders AS orders,
    s.buyers AS buyers,
    s.new_customers AS new_customers,
    s.items AS items,
    s.gross_revenue AS gross_revenue,
    s.refunds AS refunds,
    s.gross_revenue - s.refunds AS net_revenue,
    s.spend AS spend,
    s.sessions AS sessions,
    CASE WHEN s.orders > 0 THEN ROUND(1.0 * s.gross_revenue / s.orders, 6) END AS aov,
    CASE WHEN s.buyers > 0 THEN ROUND(1.0 * s.orders / s.buyers, 6) END AS frequency,
    CASE WHEN s.sessions > 0 THEN ROUND(1.0 * s.orders / s.sessions, 6) END AS conversion_rate,
    CASE WHEN s.orders > 0 THEN ROUND(1.0 * s.refunded_orders / s.orders, 6) END AS return_rate,
    CASE WHEN s.new_customers > 0 THEN ROUND(1.0 * s.spend / s.new_customers, 6) END AS cac,
    CASE WHEN b.gross_revenue > 0 THEN ROUND(1.0 * s.gross_revenue / b.gross_revenue, 6) - 1 END AS growth,
    CASE
        WHEN s.buyers > 0 AND b.orders > 0
        THEN ROUND(1.0 * s.orders * b.buyers / (1.0 * s.buyers * b.orders), 6) - 1
    END AS frequency_growth
FROM sales_analytics s
LEFT JOIN (
    SELECT 'day' AS grain, x.day AS period_start, LAG(x.day) OVER (ORDER BY x.day) AS before_start FROM dim_dates x
    UNION ALL
    SELECT 'week', w.week_start, LAG(w.week_start) OVER (ORDER BY w.week_start)
    FROM (SELECT DISTINCT week_start FROM dim_dates) w
    UNION ALL
    SELECT 'month', m.month_start, LAG(m.month_start) OVER (ORDER BY m.month_start)
    FROM (SELECT DISTINCT month_start FROM dim_dates) m
) y ON y.grain = s.grain AND y.period_start = s.period_start
LEFT JOIN sales_analytics b ON b.grain = s.grain AND b.period_start = y.before_start
