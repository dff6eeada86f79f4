"""Sealing: while an order streams through, the digests each destination will need, if it may be told at all."""

from __future__ import annotations
