"""Every hour: today's orders and spend so far, and the conversions they bring."""

from cortex.steps import adjust, credit, pull, queue, refresh, send, value, values

reread = "none"
lookback = False
steps = (
    pull.store,
    pull.ads,
    value.people,
    credit.orders,
    refresh.sales,
    queue.conversions,
    adjust.conversions,
    values.conversions,
    send.conversions,
)
