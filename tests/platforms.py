"""A recorded ad platform or traffic source with two tenants on it, served on loopback for the contracts of a room.

`tests/recorded/<room>/<kind>/` holds `exchanges.json` (see `tests/replay.py`), `grpc.json` where the platform speaks
gRPC (see `tests/google_ads_replay.py`), and `case.json`: now, timezone, window, split; for the tenants `alfa` and
`beta` config, secrets, account and what the recording adds up to; the answers `dead` and `busy`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cortex import plugins
from cortex.clock import Window
from cortex.records import Notice
from cortex.secrets import Vault
from cortex.settings import Access, Adapter
from tests.google_ads_replay import GoogleAdsReplay
from tests.replay import Replay, recording

RECORDED = Path(__file__).parent / "recorded"
ABSENT = Path("absent")


@dataclass
class Stage:
    """The platform while it is up, and what its adapters said and how long they waited."""

    kind: str
    of: type[Adapter]
    said: dict[str, Any]
    http: Replay
    grpc: GoogleAdsReplay | None
    notices: list[Notice] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    @property
    def window(self) -> Window:
        return Window(*map(date.fromisoformat, self.said["window"]))

    @property
    def halves(self) -> tuple[Window, Window]:
        split = date.fromisoformat(self.said["split"])
        return Window(self.window.since, split), Window(split, self.window.until)

    @property
    def asked(self) -> int:
        """Requests received, those for a bearer token not counted."""
        data = sum(request.path != "/token" for request in self.http.requests)
        return data + (len(self.grpc.queries) if self.grpc else 0)

    def adapter(self, tenant: str = "alfa", *, secrets: dict[str, str] | None = None, **config: Any) -> Any:
        said = self.said[tenant]
        found = said["secrets"] if secrets is None else secrets
        known = {f"CORTEX_{tenant.upper()}_{name}": self._placed(value) for name, value in found.items()}
        now = datetime.fromisoformat(self.said["now"])
        access = Access(
            tenant=tenant,
            vault=Vault(tenant, ABSENT, known),
            timezone=ZoneInfo(self.said["timezone"]),
            clock=lambda: now,
            notice=self.notices.append,
            sleep=self.waits.append,
        )
        return self.of(
            self.of.Config.model_validate(json.loads(self._placed(json.dumps({**said["config"], **config})))), access
        )

    def secrets_of(self, tenant: str) -> list[str]:
        """Every secret text of a tenant; of a JSON credential its own."""
        found = []
        for value in self.said[tenant]["secrets"].values():
            parts = json.loads(value) if value.startswith("{") else {"token": value}
            found += [parts[name] for name in ("token", "refresh_token", "client_secret") if name in parts]
        assert found
        return found

    def fail(self, name: str, times: int) -> None:
        """The next `times` answers are the recorded failure `name`."""
        failure = self.said[name]
        if "grpc" in failure:
            assert self.grpc is not None
            self.grpc.first += [failure["grpc"]] * times
        else:
            self.http.first += [failure["http"]] * times

    def _placed(self, text: str) -> str:
        return text.replace("{base}", self.http.url).replace("{grpc}", self.grpc.url if self.grpc else "")


@contextmanager
def staged(room: str, kind: str, of: type[Adapter], *, strict: bool = True) -> Iterator[Stage]:
    """The recorded platform. strict: fail when a request came that nobody recorded."""
    folder = RECORDED / room / kind
    if not (folder / "case.json").is_file():
        pytest.fail(f"{room}/{kind} has no recorded replies; add tests/recorded/{room}/{kind}/case.json")
    said = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    with ExitStack() as stack:
        http = stack.enter_context(Replay(recording(folder)))
        speaks_grpc = (folder / "grpc.json").is_file()
        grpc = stack.enter_context(GoogleAdsReplay.of(folder)) if speaks_grpc else None
        yield Stage(kind, plugins.adapter(room, kind, of), said, http, grpc)
        assert not strict or not http.unmatched, [(one.path, one.query, one.body) for one in http.unmatched]
