"""Shops: one file per platform, each turning its API into Orders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from cortex.clock import Window
from cortex.records import Account, History, Order, Product
from cortex.settings import Adapter


class Store(Adapter, ABC):
    """A shop of one tenant.

    A store may also define what its platform offers: `products() -> Iterator[Product]`, `sellers() ->
    Iterator[Seller]`, `places() -> Iterator[Place]`, `reviews() -> Iterator[Review]`, and `announced(window) -> int`:
    its own count of the orders placed in the window.
    """

    history: ClassVar[History]

    @abstractmethod
    def check(self) -> Account:
        """Prove the credential with the cheapest call. Raises CredentialError, Transient or PlatformError."""

    @abstractmethod
    def orders(self, window: Window) -> Iterator[Order]:
        """Every order CHANGED in the window (tenant-local days), cancelled and refunded included.

        Late payments and refunds of old orders must appear. An order may come more than once; the newest
        `updated_at` counts. A record that cannot be trusted is not yielded but reported with
        `access.quarantine(BadRecord(...))`, and the iteration goes on.
        """


__all__ = ["Order", "Product", "Store"]
