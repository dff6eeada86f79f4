-- title: What ad platforms changed afterwards
-- grain: day, platform, currency
-- columns:
--   day                 date     Account-local day that was restated after the platform had finished counting it.
--   platform            text     Ad platform.
--   currency            text     The account's own currency, which the money here is in.
--   revisions           count    Changes to single ad objects.
--   spend_change        money    By how much cost moved, all changes together.
--   conversions_change  rate     By how much claimed conversions moved.
--   value_change        money    By how much claimed value moved.
--   last_revised        instant  When the last of the changes was noticed.
SELECT
    r.day AS day,
    r.platform AS platform,
    r.currency AS currency,
    COUNT(*) AS revisions,
    SUM(r.new_spend - r.old_spend) AS spend_change,
    SUM(r.new_conversions - r.old_conversions) AS conversions_change,
    SUM(r.new_value - r.old_value) AS value_change,
    MAX(r.revised_at) AS last_revised
FROM ad_daily_revision r
GROUP BY r.day, r.platform, r.currency
