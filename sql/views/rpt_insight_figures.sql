-- title: Single figures about buyers and products
-- grain: area, figure
-- columns:
--   area    text  churn, ltv, ltv_histogram, repeat, tiers, bcg, sellers.
--   figure  text  Name.
--   value   rate  Empty where there is nothing to measure.
--   as_of   date  Day it is true for.
SELECT
    f.area AS area,
    f.figure AS figure,
    f.value AS value,
    f.as_of AS as_of
FROM insight_figures f
