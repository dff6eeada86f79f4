-- title: Campaign performance
-- grain: day, model, platform, campaign_id
-- columns:
--   day                   date    Local day of payment for revenue, the account's own day for spend.
--   model                 text    Attribution model.
--   platform              text    Ad platform.
--   campaign_id           text    Campaign; empty where a paid touch could not be tied to one.
--   campaign_name         text    Its name as last seen.
--   funnel_stage          text    TOFU, MOFU, BOFU or unknown.
--   impressions           count   As the platform counts.
--   clicks                count   As the platform counts.
--   spend                 money   The same for every model.
--   platform_conversions  rate    Conversions the platform claims.
--   platform_value        money   Value the platform claims.
--   orders                weight  Sum of the orders' shares by our model.
--   attributed_revenue    money   Paid less refunded, shared out by our model.
--   new_customers         weight  Shares of orders that won their buyer.
--   cpc                   rate    spend / clicks.
--   roas                  rate    attributed_revenue / spend.
--   platform_roas         rate    platform_value / spend.
--   cac                   rate    spend / new_customers.
SELECT
    t.day AS day,
    t.model AS model,
    t.platform AS platform,
    t.campaign_id AS campaign_id,
    n.campaign_name AS campaign_name,
    n.funnel_stage AS funnel_stage,
    SUM(t.impressions) AS impressions,
    SUM(t.clicks) AS clicks,
    SUM(t.spend) AS spend,
    SUM(t.platform_conversions) AS platform_conversions,
    SUM(t.platform_value) AS platform_value,
    SUM(t.orders) AS orders,
    SUM(t.attributed_revenue) AS attributed_revenue,
    SUM(t.new_customers) AS new_customers,
    CASE WHEN SUM(t.clicks) > 0 THEN ROUND(1.0 * SUM(t.spend) / SUM(t.clicks), 6) END AS cpc,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.attributed_revenue) / SUM(t.spend), 6) END AS roas,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.platform_value) / SUM(t.spend), 6) END AS platform_roas,
    CASE WHEN SUM(t.new_customers) > 0 THEN ROUND(1.0 * SUM(t.spend) / SUM(t.new_customers), 6) END AS cac
FROM (
    SELECT
        a.order_date AS day, a.model AS model, a.platform AS platform, a.campaign_id AS campaign_id,
        0 AS impressions, 0 AS clicks, 0.00 AS spend, 0.0 AS platform_conversions, 0.00 AS platform_value,
        a.weight AS orders, a.attributed_revenue AS attributed_revenue,
        CASE WHEN a.is_new_customer = 1 THEN a.weight ELSE 0.0 END AS new_customers
    FROM fct_attribution a
    WHERE a.platform <> ''
    UNION ALL
    SELECT
        s.day, m.model, s.platform, s.campaign_id, s.impressions, s.clicks, s.spend, s.conversions,
        s.conversion_value, 0.0, 0.00, 0.0
    FROM fct_ad_spend s
    CROSS JOIN (SELECT DISTINCT model FROM fct_attribution) m
) t
LEFT JOIN (
    SELECT platform, campaign_id, MAX(campaign_name) AS campaign_name, MAX(funnel_stage) AS funnel_stage
    FROM dim_campaigns
    GROUP BY platform, campaign_id
) n ON n.platform = t.platform AND n.campaign_id = t.campaign_id
GROUP BY t.day, t.model, t.platform, t.campaign_id, n.campaign_name, n.funnel_stage
