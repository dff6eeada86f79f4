"""Conversions alone: queue what became due, send it, ask what became of what was sent before."""

from cortex.steps import adjust, queue, send, values

reread = "none"
lookback = False
steps = (queue.conversions, adjust.conversions, values.conversions, send.conversions)
