-- title: Store, GA4 and platforms side by side
-- grain: day
-- columns:
--   day                  date   Each source's own local day.
--   placed_orders        count  Orders placed in the store that day, paid or not; test orders left out.
--   placed_value         money  Asked of their buyers.
--   store_orders         count  Orders paid that day.
--   store_revenue        money  Paid that day, before refunds.
--   ga4_orders           count  Different order ids GA4 saw that day.
--   ga4_revenue          money  Purchase revenue GA4 saw.
--   meta_conversions     rate   Claimed by Meta.
--   meta_value           money  Claimed by Meta.
--   google_conversions   rate   Claimed by Google Ads.
--   google_value         money  Claimed by Google Ads.
--   tiktok_conversions   rate   Claimed by TikTok.
--   tiktok_value         money  Claimed by TikTok.
--   ga4_coverage         rate   ga4_orders / placed_orders.
--   platform_claims      rate   What the platforms claim together / store_revenue: above 1 they claim more than was sold.
SELECT
    t.day AS day,
    SUM(t.placed_orders) AS placed_orders,
    SUM(t.placed_value) AS placed_value,
    SUM(t.store_orders) AS store_orders,
    SUM(t.store_revenue) AS store_revenue,
    SUM(t.ga4_orders) AS ga4_orders,
    SUM(t.ga4_revenue) AS ga4_revenue,
    SUM(CASE WHEN t.platform = 'meta' THEN t.conversions ELSE 0.0 END) AS meta_conversions,
    SUM(CASE WHEN t.platform = 'meta' THEN t.value ELSE 0.00 END) AS meta_value,
    SUM(CASE WHEN t.platform = 'google' THEN t.conversions ELSE 0.0 END) AS google_conversions,
    SUM(CASE WHEN t.platform = 'google' THEN t.value ELSE 0.00 END) AS google_value,
    SUM(CASE WHEN t.platform = 'tiktok' THEN t.conversions ELSE 0.0 END) AS tiktok_conversions,
    SUM(CASE WHEN t.platform = 'tiktok' THEN t.value ELSE 0.00 END) AS tiktok_value,
    CASE WHEN SUM(t.placed_orders) > 0 THEN ROUND(1.0 * SUM(t.ga4_orders) / SUM(t.placed_orders), 6) END AS ga4_coverage,
    CASE WHEN SUM(t.store_revenue) > 0 THEN ROUND(1.0 * SUM(t.value) / SUM(t.store_revenue), 6) END AS platform_claims
FROM (
    SELECT
        o.order_date AS day, 1 AS placed_orders, o.total AS placed_value, 0 AS store_orders, 0.00 AS store_revenue,
        0 AS ga4_orders, 0.00 AS ga4_revenue, '' AS platform, 0.0 AS conversions, 0.00 AS value
    FROM fct_orders o
    WHERE o.is_test = 0
    UNION ALL
    SELECT o.paid_date, 0, 0.00, 1, o.paid, 0, 0.00, '', 0.0, 0.00
    FROM fct_orders o
    WHERE o.is_paid = 1 AND o.paid_date IS NOT NULL
    UNION ALL
    SELECT g.day, 0, 0.00, 0, 0.00, COUNT(DISTINCT g.order_ref), 0.00, '', 0.0, 0.00
    FROM stg_touches g
    WHERE g.origin = 'ga4' AND g.order_ref <> ''
    GROUP BY g.day
    UNION ALL
    SELECT s.day, 0, 0.00, 0, 0.00, 0, s.revenue, '', 0.0, 0.00
    FROM fct_sessions s
    UNION ALL
    SELECT a.day, 0, 0.00, 0, 0.00, 0, 0.00, a.platform, a.conversions, a.conversion_value
    FROM fct_ad_spend a
) t
GROUP BY t.day
