"""Every night: what the shop, the ads and GA4 changed, who earned it, what buyers are worth, conversions sent back."""

from cortex.steps import adjust, credit, diagnose, funnel, predict, pull, quality, queue, refresh, send, value, values

steps = (
    pull.store,
    pull.catalogue,
    pull.ads,
    pull.traffic,
    funnel.stages,
    value.people,
    credit.orders,
    value.customers,
    predict.renewed,
    refresh.sales,
    queue.conversions,
    adjust.conversions,
    values.conversions,
    send.conversions,
    diagnose.conversions,
    quality.checks,
)
