"""Traffic sources: one file each, sessions by source and the touches of orders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from cortex.clock import Window
from cortex.records import Account, History, Restatement, Sessions, Touch
from cortex.settings import Adapter


class Traffic(Adapter, ABC):
    history: ClassVar[History]
    restates: ClassVar[Restatement]

    @abstractmethod
    def check(self) -> Account:
        """Prove the credential and read the property's currency and zone."""

    @abstractmethod
    def touches(self, window: Window) -> Iterator[Touch]:
        """The visit that each order of the window is credited with by this source; `order_id` is set."""

    @abstractmethod
    def sessions(self, window: Window) -> Iterator[Sessions]:
        """Sessions per day and source. Flags such as thresholding or `(other)` go to `access.notice`."""
