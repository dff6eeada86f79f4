-- title: Sellers side by side
-- grain: platform, seller_id
-- columns:
--   platform       text   Store platform.
--   seller_id      text   The platform's id.
--   nickname       text   Name shown on the marketplace; empty where it tells none.
--   city           text   Of the seller; empty when the platform does not tell.
--   state          text   Of the seller.
--   reputation     text   In the marketplace's words.
--   is_competitor  flag   1 for a seller whose sales are none of ours.
--   market_share   rate   Share of the line totals of the last 90 days, by the weekly run; of a competitor as it was told.
--   orders         count  Paid orders with their goods, all time.
--   units          count  Units in them.
--   revenue        money  Line totals.
--   last_sold      date   Local day of the last of them; empty without any.
SELECT
    s.platform AS platform,
    s.seller_id AS seller_id,
    s.nickname AS nickname,
    s.city AS city,
    s.state AS state,
    s.reputation AS reputation,
    s.is_competitor AS is_competitor,
    s.market_share AS market_share,
    COALESCE(t.orders, 0) AS orders,
    COALESCE(t.units, 0) AS units,
    COALESCE(t.revenue, 0) AS revenue,
    t.last_sold AS last_sold
FROM dim_sellers s
LEFT JOIN (
    SELECT
        i.platform, i.seller_id, COUNT(DISTINCT i.order_key) AS orders, SUM(i.quantity) AS units, SUM(i.total) AS revenue,
        MAX(o.paid_date) AS last_sold
    FROM fct_order_items i
    JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
    WHERE i.seller_id <> ''
    GROUP BY i.platform, i.seller_id
) t ON t.platform = s.platform AND t.seller_id = s.seller_id
