"""Every week: what platforms restated in the last month, then every customer figure and the forecasts anew."""

from cortex.steps import (
    credit,
    effects,
    forecasting,
    funnel,
    insight,
    keeping,
    predict,
    pull,
    quality,
    refresh,
    sold,
    value,
)

reread = "weekly"
steps = (
    pull.ads,
    pull.traffic,
    funnel.stages,
    value.people,
    credit.everything,
    value.customers,
    value.segments,
    predict.customers,
    value.products,
    sold.classes,
    effects.effects,
    refresh.everything,
    refresh.cohorts,
    insight.cohorts,
    insight.worth,
    forecasting.sales,
    keeping.retention,
    quality.checks,
)
