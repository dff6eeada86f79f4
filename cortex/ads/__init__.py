"""Ad platforms: one file each, spend per ad and day, and which ad a click id belongs to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from cortex.clock import Window
from cortex.records import Account, AdClick, AdSpend, History, Restatement
from cortex.settings import Adapter


class AdPlatform(Adapter, ABC):
    history: ClassVar[History]
    restates: ClassVar[Restatement]

    @abstractmethod
    def check(self) -> Account:
        """Prove the credential and read the account's currency and zone."""

    @abstractmethod
    def spend(self, window: Window) -> Iterator[AdSpend]:
        """Every ad-day of the window in the account's own zone and currency.

        The sum over a day is the account's spend of that day: money that has no ad comes as one row at level
        `campaign`. Rows may be withdrawn later, so the caller replaces the window, never appends.
        """

    def clicks(self, window: Window) -> Iterator[AdClick]:  # noqa: ARG002
        """Click ids and their ads. Platforms that do not tell yield nothing."""
        return iter(())
