"""Every week: what platforms restated in the last month, then every customer figure anew."""

from cortex.steps import credit, keeping, pull, quality, refresh, value

reread = "weekly"
steps = (
    pull.ads,
    pull.traffic,
    value.people,
    credit.everything,
    value.customers,
    value.segments,
    value.products,
    refresh.everything,
    refresh.cohorts,
    keeping.retention,
    quality.checks,
)
