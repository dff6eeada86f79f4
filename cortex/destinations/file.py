"""A file instead of a platform: exactly the bytes another destination would post, for dry runs and for reading."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, ClassVar, cast

from pydantic import Field, ValidationError, model_validator

from cortex import plugins
from cortex.destinations import Destination, DestinationSection
from cortex.destinations._answers import told
from cortex.errors import PlatformError
from cortex.records import Account, Conversion, IdentifierRules, Receipt, SendWindow
from cortex.settings import Access, PlatformSection, SecretName

AS_THE_OTHER = tuple(sorted(Destination.__annotations__.keys() - {"config", "dedup"}))
"""What the file takes over from the destination it stands in for: all a destination declares but its own block, and the
platform's memory, which a folder does not need."""


def _destination(kind: str) -> type[Destination]:
    return plugins.adapter("destinations", kind, Destination)


class File(Destination):
    """offline_conversions.file"""

    class Config(DestinationSection):
        """offline_conversions.file"""

        of: Annotated[str, Field(description="The destination whose bytes are written, such as meta_capi")]
        settings: dict[str, str | bool] = Field(
            default={}, description="That destination's own keys, as its block would have them"
        )

        @model_validator(mode="after")
        def _as_the_other_wants_it(self) -> File.Config:
            if self.of == "file" or self.of not in plugins.kinds("destinations"):
                known = ", ".join(kind for kind in plugins.kinds("destinations") if kind != "file")
                raise ValueError(f"of must name a destination: {known}")
            try:
                _destination(self.of).Config.model_validate(self.settings)
            except ValidationError as failure:
                wrong = failure.errors(include_url=False, include_input=False, include_context=False)[0]
                key = ".".join(str(part) for part in wrong["loc"]) or "settings"
                raise ValueError(f"settings of {self.of}: {key}: {wrong['msg']}") from None
            return self

    secrets: ClassVar[tuple[SecretName, ...]] = ()
    docs: ClassVar[str] = "platforms/file.md"
    identifiers: ClassVar[IdentifierRules] = IdentifierRules(fields=())
    window: ClassVar[SendWindow] = SendWindow(click=timedelta(days=90), identifiers=timedelta(days=90))
    batch: ClassVar[int] = 1000
    dedup: ClassVar[timedelta | None] = None
    """The same bytes have the same name: writing them again changes nothing."""

    def __init__(self, config: PlatformSection, access: Access) -> None:
        super().__init__(config, access)
        kind = _destination(self.settings.of)
        self._other = kind(kind.Config.model_validate(self.settings.settings), access)
        vars(self).update({name: getattr(self._other, name) for name in AS_THE_OTHER})

    @property
    def settings(self) -> Config:
        return cast("File.Config", self.config)

    @property
    def folder(self) -> Path:
        """`dist/<client>/conversions` of the workspace."""
        return self.access.vault.root / "dist" / self.access.tenant / "conversions"

    def check(self) -> Account:
        """Whether the folder can be written to. Nothing is asked of the platform."""
        self._make_folder()
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise self._unwritable("it is not writable")
        return Account(id=str(self.folder), name=f"file of {self.settings.of}", note="nothing is sent")

    def missing(self, conversion: Conversion) -> str:
        return self._other.missing(conversion)

    def unfit(self, one: Conversion, now: datetime) -> Receipt | None:
        return self._other.unfit(one, now)

    def body(self, batch: Sequence[Conversion]) -> bytes:
        return self._other.body(batch)

    def send(self, batch: Sequence[Conversion]) -> list[Receipt]:
        """Write what the other destination would post; what cannot be written now is tried again later."""
        if len(batch) > self.batch:
            raise ValueError(f"{self.settings.of} takes {self.batch} events in one request, not {len(batch)}")
        now = self.access.clock()
        unfit = [self.unfit(one, now) for one in batch]
        if all(unfit):
            return [why for why in unfit if why]
        try:
            name = self._write(self.body(batch))
        except PlatformError as failure:
            return [why or told("retry", "config", failure.code, failure.message) for why in unfit]
        written = Receipt(state="accepted", request_id=name, message=f"Written to {name}. Nothing was sent.")
        return [why or written for why in unfit]

    def _write(self, said: bytes) -> str:
        """The file's name. It appears whole or not at all, for its owner's eyes only: it holds digests of people."""
        name = f"{self.settings.of}-{hashlib.sha256(said).hexdigest()[:16]}.json"
        self._make_folder()
        part = self.folder / f".{name}.{os.getpid()}"
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(said)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.folder / name)
        except OSError as failure:
            part.unlink(missing_ok=True)
            raise self._unwritable(failure.strerror or type(failure).__name__) from None
        return name

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as failure:
            raise self._unwritable(failure.strerror or type(failure).__name__) from None

    def _unwritable(self, why: str) -> PlatformError:
        return PlatformError(
            "CTX-4380",
            f"The folder {self.folder} cannot be written to: {why}.",
            fix="Give its owner the right to write.",
        )
