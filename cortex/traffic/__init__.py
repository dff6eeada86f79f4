"""Traffic sources: one file each, the touches of orders and what else a source knows: sessions, journeys by path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from cortex.clock import Window
from cortex.records import Account, History, Restatement, Touch
from cortex.settings import Adapter


class Traffic(Adapter, ABC):
    """What a source offers besides is what it defines:

    `sessions(window) -> Iterator[Sessions]`, sessions per day and source, told by one source of a client;
    `journeys(window) -> Iterator[Walked]`, journeys by path, those that led to no order too;
    `funnel(window) -> Iterator[Reached]`, how many visits reached each stage of the shop, by device and source;
    `product_views(window) -> Iterator[Viewed]`, how often each product was looked at, put into a cart, bought.
    Flags such as thresholding or `(other)` go to `access.notice`.
    """

    history: ClassVar[History]
    restates: ClassVar[Restatement]

    @abstractmethod
    def check(self) -> Account:
        """Prove the credential and read the property's currency and zone."""

    @abstractmethod
    def touches(self, window: Window) -> Iterator[Touch]:
        """The visit that each order of the window is credited with by this source; `order_id` is set."""
