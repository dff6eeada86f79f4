-- title: How far each forecasting model was off
-- grain: series, channel, model
-- columns:
--   series           text     revenue or orders.
--   channel          text     all, or a channel (last click).
--   model            text     seasonal_naive, mean, weekday_mean, croston, holt_winters …
--   is_used          flag     1 for the one the forecasts are from.
--   is_intermittent  flag     1 where days without a sale are usual.
--   mase             rate     Mean size of the error, in units of what a day differs from its weekday a week before.
--   naive_mase       rate     The same of seasonal_naive.
--   gain             rate     1 - mase / naive_mase.
--   rmsse            rate     Root of the mean square of the same.
--   wape             rate     Sum of the sizes of errors / sum of sales.
--   naive_wape       rate     The same of seasonal_naive.
--   bias             rate     Sum expected / sum that came, less 1.
--   mae              rate     Mean size of the error of a day.
--   rmse             rate     Root of the mean square of it.
--   mape             rate     Mean of error / sales; empty when a day sold nothing.
--   r2               rate     1 - squared errors / squared distances from the mean day.
--   days             count    Days judged, all origins together.
--   origins          count    Past weeks a forecast was made at.
--   coverage_80      rate     Share of days within the 80 % band made before they came; for the one used.
--   coverage_95      rate     Within the 95 % band.
--   covered_days     count    Days that share of 80 % is counted over.
--   history_since    date     First day the models saw.
--   as_of            date     Last day they saw.
--   run_id           text     Run.
--   trained_at       instant  When.
SELECT
    m.series AS series,
    m.channel AS channel,
    m.model AS model,
    m.is_used AS is_used,
    m.is_intermittent AS is_intermittent,
    m.mase AS mase,
    n.mase AS naive_mase,
    CASE WHEN n.mase > 0 THEN 1 - ROUND(1.0 * m.mase / n.mase, 6) END AS gain,
    m.rmsse AS rmsse,
    m.wape AS wape,
    n.wape AS naive_wape,
    m.bias AS bias,
    m.mae AS mae,
    m.rmse AS rmse,
    m.mape AS mape,
    m.r2 AS r2,
    m.days AS days,
    m.origins AS origins,
    m.coverage_80 AS coverage_80,
    m.coverage_95 AS coverage_95,
    m.covered_days AS covered_days,
    m.history_since AS history_since,
    m.as_of AS as_of,
    m.run_id AS run_id,
    m.trained_at AS trained_at
FROM forecast_models m
LEFT JOIN forecast_models n ON n.series = m.series AND n.channel = m.channel AND n.model = 'seasonal_naive'
