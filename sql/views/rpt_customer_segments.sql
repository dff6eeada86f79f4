-- title: Customers by segment
-- grain: rfm_segment, first_order_channel
-- columns:
--   rfm_segment          text   Named RFM segment; empty before the weekly run.
--   first_order_channel  text   Channel that won them by the client's first model.
--   as_of                date   Day the figures are true for.
--   customers            count  Customers.
--   churned              count  Of them, those whose last order is too long ago.
--   total_orders         count  Paid orders.
--   total_revenue        money  Paid less refunded.
--   ltv_window           money  Realised within the tenant's LTV window of the first order.
--   revenue_per_customer rate   total_revenue / customers.
--   orders_per_customer  rate   total_orders / customers.
SELECT
    COALESCE(c.rfm_segment, '') AS rfm_segment,
    c.first_order_channel AS first_order_channel,
    MAX(c.as_of) AS as_of,
    COUNT(*) AS customers,
    SUM(c.is_churned) AS churned,
    SUM(c.total_orders) AS total_orders,
    SUM(c.total_revenue) AS total_revenue,
    SUM(c.ltv_window) AS ltv_window,
    ROUND(1.0 * SUM(c.total_revenue) / COUNT(*), 6) AS revenue_per_customer,
    ROUND(1.0 * SUM(c.total_orders) / COUNT(*), 6) AS orders_per_customer
FROM dim_customers c
GROUP BY COALESCE(c.rfm_segment, ''), c.first_order_channel
