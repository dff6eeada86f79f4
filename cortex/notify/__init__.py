"""Notify: where people are told how runs ended. One file per channel; the message is the same in all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from pydantic import Field

from cortex.records import Message
from cortex.settings import Access, SecretName, Section

When = Literal["failure", "always", "never"]
Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From the one that can wait to the one that cannot."""


class ChannelSection(Section):
    """What the block of every channel may say. Left out or `enabled: false`, the channel is not used."""

    enabled: bool = Field(default=True, description="false: nothing is sent there.")
    when: When = Field(
        default="failure",
        description="failure: when something is wrong, or right again; always: after every run; never.",
    )
    severity: Severity = Field(
        default="warning", description="What is less severe than this is not told: info, warning, critical."
    )


class Channel(ABC):
    """One way to reach people. Made for one message; nothing in it is shared with another client."""

    Config: ClassVar[type[ChannelSection]]
    secrets: ClassVar[tuple[SecretName, ...]] = ()
    docs: ClassVar[str] = "notifications.md"

    def __init__(self, config: ChannelSection, access: Access) -> None:
        self.config = config
        self.access = access

    @classmethod
    def needs(cls, config: ChannelSection) -> tuple[SecretName, ...]:  # noqa: ARG003  # some need none
        """The credentials these settings ask for."""
        return cls.secrets

    @abstractmethod
    def send(self, message: Message) -> str:
        """Send it, once. Returns what the other side said.

        Raises ConfigError when the settings do not say where to, CredentialError, PlatformError when it is refused,
        Transient when it may or may not have arrived (`sent`) or can be tried later. Repeats only what was certainly
        not taken.
        """


def at_least(severity: str, least: str) -> bool:
    """Whether something is as severe as that, or more.

    >>> at_least("critical", "warning"), at_least("info", "warning")
    (True, False)
    """
    order: tuple[str, ...] = SEVERITIES
    return order.index(severity) >= order.index(least)
