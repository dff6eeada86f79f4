-- title: Products by growth and share
-- grain: platform, product_id
-- columns:
--   platform        text   Store platform.
--   product_id      text   The platform's id.
--   name            text   Name as last seen.
--   category        text   First category level.
--   abc_class       text   A, B or C by revenue of all time; empty before the weekly run.
--   bcg_class       text   star, cash_cow, question_mark, dog; empty where growth cannot be compared.
--   units           count  Sold in the last 90 days.
--   units_per_day   rate   units / 90.
--   revenue         money  Line totals of those days.
--   margin          money  revenue less cost of goods; empty while any line's cost is unknown.
--   compared_days   count  Days of the two periods growth compares: 90, or half of those known; 0 below 14.
--   revenue_recent  money  Line totals of the last compared_days.
--   revenue_before  money  Line totals of as many days before.
--   share           rate   Of the revenue of all products.
--   growth          rate   revenue_recent / revenue_before - 1; empty for what did not sell before.
--   as_of           date   Last of the days.
SELECT
    k.platform AS platform,
    k.product_id AS product_id,
    COALESCE(p.name, '') AS name,
    COALESCE(p.category, '') AS category,
    COALESCE(p.abc_class, '') AS abc_class,
    k.bcg_class AS bcg_class,
    k.units AS units,
    ROUND(1.0 * k.units / 90, 6) AS units_per_day,
    k.revenue AS revenue,
    k.margin AS margin,
    k.compared_days AS compared_days,
    k.revenue_recent AS revenue_recent,
    k.revenue_before AS revenue_before,
    k.share AS share,
    k.growth AS growth,
    k.as_of AS as_of
FROM product_classes k
LEFT JOIN dim_products p ON p.platform = k.platform AND p.product_id = k.product_id
