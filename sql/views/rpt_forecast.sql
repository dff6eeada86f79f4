-- title: Forecasts beside what came
-- grain: series, channel, day
-- columns:
--   series           text     revenue (paid less refunded, each on its own day) or orders (paid).
--   channel          text     all, or a channel (last click).
--   day              date     Local day that is forecast.
--   horizon          count    Days from as_of to day.
--   predicted        money    Expected that day: money, or orders with two places.
--   lower_80         money    80 % band; empty where the backtest has too few errors.
--   upper_80         money    Its other end.
--   lower_95         money    95 % band.
--   upper_95         money    Its other end.
--   total            money    Expected from the day after as_of up to this day.
--   total_lower_80   money    80 % band of total.
--   total_upper_80   money    Its other end.
--   total_lower_95   money    95 % band of total.
--   total_upper_95   money    Its other end.
--   actual           money    What came; empty while the day has not been read whole.
--   is_holiday       flag     1 on Brazilian national holidays.
--   is_black_friday  flag     1 on Black Friday.
--   model            text     Model chosen.
--   mase             rate     Its error in the backtest: see rpt_forecast_models.
--   wape             rate     Sum of the sizes of errors / sum of sales in the backtest.
--   as_of            date     Last day the model saw.
--   run_id           text     Run that forecast it.
--   trained_at       instant  When.
SELECT
    f.series AS series,
    f.channel AS channel,
    f.day AS day,
    f.horizon AS horizon,
    f.predicted AS predicted,
    f.lower_80 AS lower_80,
    f.upper_80 AS upper_80,
    f.lower_95 AS lower_95,
    f.upper_95 AS upper_95,
    f.total AS total,
    f.total_lower_80 AS total_lower_80,
    f.total_upper_80 AS total_upper_80,
    f.total_lower_95 AS total_lower_95,
    f.total_upper_95 AS total_upper_95,
    CASE WHEN f.day < s.complete_until THEN
        COALESCE(CASE WHEN f.series = 'orders' THEN 1.00 * a.orders ELSE a.net_revenue END, 0.00)
    END AS actual,
    COALESCE(d.is_holiday, 0) AS is_holiday,
    COALESCE(d.is_black_friday, 0) AS is_black_friday,
    f.model AS model,
    f.mase AS mase,
    f.wape AS wape,
    f.as_of AS as_of,
    f.run_id AS run_id,
    f.trained_at AS trained_at
FROM forecasts f
LEFT JOIN sync_state s ON s.stream = 'store.orders'
LEFT JOIN dim_dates d ON d.day = f.day
LEFT JOIN (
    SELECT x.day AS day, x.channel AS channel, x.orders AS orders, x.gross_revenue - x.refunds AS net_revenue
    FROM agg_daily_sales x
    UNION ALL
    SELECT y.day, 'all', SUM(y.orders), SUM(y.gross_revenue) - SUM(y.refunds) FROM agg_daily_sales y GROUP BY y.day
) a ON a.day = f.day AND a.channel = f.channel
