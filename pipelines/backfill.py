"""The past, in weekly pieces from the newest back. Conversions are queued, or counted as too old; none is sent."""

from cortex.steps import credit, funnel, pull, quality, queue, refresh, value

reread = "none"
lookback = False
chunk_days = 7
chunks = (pull.store, pull.ads, pull.traffic, funnel.stages)
steps = (
    pull.catalogue,
    value.people,
    credit.everything,
    value.customers,
    refresh.everything,
    queue.conversions,
    quality.checks,
)
