-- title: What platforms said, kept in their own words
-- grain: source
-- columns:
--   source         text     Table of payloads: raw_ecommerce_orders, raw_meta_ads …
--   payloads       count    Rows kept.
--   first_fetched  instant  When the oldest of them was read.
--   last_fetched   instant  When the newest of them was read.
SELECT 'raw_ecommerce_orders' AS source, COUNT(*) AS payloads, MIN(r.fetched_at) AS first_fetched, MAX(r.fetched_at) AS last_fetched
FROM raw_ecommerce_orders r
UNION ALL
SELECT 'raw_ga4', COUNT(*), MIN(r.fetched_at), MAX(r.fetched_at) FROM raw_ga4 r
UNION ALL
SELECT 'raw_google_ads', COUNT(*), MIN(r.fetched_at), MAX(r.fetched_at) FROM raw_google_ads r
UNION ALL
SELECT 'raw_meta_ads', COUNT(*), MIN(r.fetched_at), MAX(r.fetched_at) FROM raw_meta_ads r
UNION ALL
SELECT 'raw_tiktok_ads', COUNT(*), MIN(r.fetched_at), MAX(r.fetched_at) FROM raw_tiktok_ads r
