-- title: What moves the sales of each product
-- grain: platform, product_id
-- columns:
--   platform             text     Store platform.
--   product_id           text     The platform's id.
--   name                 text     Name as last seen in the catalogue; the id where it has none.
--   category             text     First category level.
--   abc_class            text     A, B or C by revenue; empty before the weekly run.
--   orders               count    Paid orders with it in the last 90 days.
--   units                count    Units in them.
--   reduced_share        rate     Share of the units sold below their full price.
--   conversion_basis     text     views of the product as GA4 counts them, else visits to the shop, else empty.
--   conversion           rate     Purchases / views as GA4 saw both, or orders with it / visits; empty where nobody counts.
--   expected_conversion  rate     That of the other products of its category and price range, else of the whole shop.
--   conversion_gap       rate     conversion / expected_conversion - 1.
--   rating               rate     Mean score of the reviews of orders with it.
--   changed_on           date     Last price change with a week or more on both sides; empty without one.
--   price_before         money    Asked before it.
--   price_after          money    Asked since.
--   days_before          count    Days compared before it, at most 28.
--   days_after           count    Days compared since, at most 28.
--   units_before         count    Units sold in those before.
--   units_after          count    Units sold in those since.
--   lift                 rate     Units a day since / before, over the same ratio of everything else the shop sold, less 1.
--   elasticity           rate     ln(lift + 1) / ln(price_after / price_before): at -1 revenue stays as it was.
--   mean_stock           measure  Mean units in stock over the days the shop told it.
--   stock_days           count    Those days.
--   available            count    Units that could still be sold on the last of them.
--   turnover             measure  Times a year the mean stock is sold at the pace of the 90 days.
--   cover_days           measure  Days the available units last at that pace.
--   as_of                date     Last of the 90 days.
SELECT
    e.platform AS platform,
    e.product_id AS product_id,
    COALESCE(p.name, e.product_id) AS name,
    COALESCE(p.category, '') AS category,
    COALESCE(p.abc_class, '') AS abc_class,
    e.orders AS orders,
    e.units AS units,
    e.reduced_share AS reduced_share,
    e.conversion_basis AS conversion_basis,
    e.conversion AS conversion,
    e.expected_conversion AS expected_conversion,
    CASE
        WHEN e.expected_conversion > 0 THEN ROUND(1.0 * e.conversion / e.expected_conversion, 6) - 1
    END AS conversion_gap,
    e.rating AS rating,
    e.changed_on AS changed_on,
    e.price_before AS price_before,
    e.price_after AS price_after,
    e.days_before AS days_before,
    e.days_after AS days_after,
    e.units_before AS units_before,
    e.units_after AS units_after,
    e.lift AS lift,
    e.elasticity AS elasticity,
    e.mean_stock AS mean_stock,
    e.stock_days AS stock_days,
    e.available AS available,
    e.turnover AS turnover,
    e.cover_days AS cover_days,
    e.as_of AS as_of
FROM product_effects e
LEFT JOIN dim_products p ON p.platform = e.platform AND p.product_id = e.product_id
