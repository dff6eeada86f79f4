-- title: What cohorts cost and when they had paid it back
-- grain: channel, cohort
-- columns:
--   channel        text   Channel that won them by the client's first model; empty for all.
--   cohort         date   First of the month.
--   customers      count  Size of the cohort.
--   spend          money  Ad spend of that month, the channel's where there is one; empty where none is known.
--   cac            money  spend / customers.
--   ltv            money  Per customer, up to the last month that has ended.
--   ltv_to_cac     rate   ltv / cac.
--   payback_month  count  First month in which ltv reached cac; empty if not yet.
--   ltv_margin     money  As ltv, of margin; empty where the cost of any line is not known.
--   margin_payback_month  count  First month in which ltv_margin reached cac; empty if not yet, or where a cost is not known.
--   as_of          date   Last day of the run that computed it.
SELECT
    c.channel AS channel,
    c.cohort AS cohort,
    c.customers AS customers,
    c.spend AS spend,
    c.cac AS cac,
    c.ltv AS ltv,
    c.ltv_to_cac AS ltv_to_cac,
    c.payback_month AS payback_month,
    c.ltv_margin AS ltv_margin,
    c.margin_payback_month AS margin_payback_month,
    c.as_of AS as_of
FROM cohort_payback c
