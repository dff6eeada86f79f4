"""Every failure Cortex names, grouped by what the catcher does about it.

    CortexError
    ├── Stop and fix ─ UsageError 2 · ConfigError 3 · CredentialError 4 · DatabaseError 5 · PolicyRefusal 9
    ├── Try again ──── Transient 1 ── Throttled 1
    ├── Skip it ────── BadRecord 8
    ├── Give up ────── PlatformError 1
    └── Signals ────── PartialFailure 6 · Busy 7 · QualityGate 8 · ChangesPending 10

The number is the exit code of the command (design section 9). A code such as CTX-4102 names the page that
`cortex explain CTX-4102` prints; the pages live in `errors.yaml` beside this file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence


class CortexError(Exception):
    """One sentence for the person (what, where), and what mends it. Never holds a secret or an identity."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, code: str, message: str, *, fix: str = "", docs: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.docs = docs

    def __str__(self) -> str:
        return f"{self.code} {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process boundaries in the worker pool; keyword arguments would be lost.
        return (_rebuild, (type(self), dict(self.__dict__)))


def _rebuild(kind: type[CortexError], state: dict[str, object]) -> CortexError:
    error = kind.__new__(kind)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


class UsageError(CortexError):
    """The command line asks for something that cannot be."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where (`path:line:column`), what, and what was probably meant."""

    file: str
    line: int
    column: int
    key: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        text = f"{self.text}." if self.hint and self.text[-1:] not in ".!?:" else self.text
        return " ".join(part for part in (where, f"{self.key}:" if self.key else "", text, self.hint) if part)

    def as_dict(self) -> dict[str, str | int]:
        return asdict(self)


class ConfigError(CortexError):
    """A file of the workspace is wrong. All problems at once, in `problems`."""

    exit_code = 3

    def __init__(
        self, code: str, message: str, *, problems: Sequence[Problem] = (), fix: str = "", docs: str = ""
    ) -> None:
        super().__init__(code, message, fix=fix, docs=docs)
        self.problems = list(problems)


class CredentialError(CortexError):
    """A platform refused the credential, or none was found. Never retried: retries burn quota and lock accounts."""

    exit_code = 4


class DatabaseError(CortexError):
    """The database cannot be reached, is not provisioned, or its schema is not the one this version knows."""

    exit_code = 5


class PolicyRefusal(CortexError):
    """Cortex will not do this: consent, isolation or safety rules forbid it."""

    exit_code = 9


class Transient(CortexError):
    """Worth trying again later. `sent` says the other side may have acted on the request already."""

    retryable = True

    def __init__(self, code: str, message: str, *, sent: bool = False, fix: str = "", docs: str = "") -> None:
        super().__init__(code, message, fix=fix, docs=docs)
        self.sent = sent


class Throttled(Transient):
    """The platform asks to slow down; `retry_after` is in seconds (0 when it did not say).

    scope: whose budget is spent, this account's or that of the app all clients share.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after: float = 0.0,
        scope: Literal["account", "app"] = "account",
        fix: str = "",
        docs: str = "",
    ) -> None:
        super().__init__(code, message, fix=fix, docs=docs)
        self.retry_after = retry_after
        self.scope = scope


class BadRecord(CortexError):
    """One record cannot be trusted: it goes to quarantine with this reason and the run goes on."""

    exit_code = 8

    def __init__(self, stream: str, key: str, reason: str) -> None:
        super().__init__("CTX-2101", f"{stream} record {key}: {reason}")
        self.stream, self.key, self.reason = stream, key, reason


class PlatformError(CortexError):
    """A platform answered with something final: trying again gives the same answer."""


class PartialFailure(CortexError):
    """Some clients or steps failed, the others finished."""

    exit_code = 6


class Busy(CortexError):
    """Another run of this client holds the lease."""

    exit_code = 7
    retryable = True


class QualityGate(CortexError):
    """Data was loaded but does not pass the tenant's quality threshold."""

    exit_code = 8


class ChangesPending(CortexError):
    """`--exit-code` was asked for and there is something to change."""

    exit_code = 10
