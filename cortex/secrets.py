"""Credentials: found in the environment, `.env` or a file they point to, never in YAML, and never printed."""

from __future__ import annotations

import os
import re
import secrets as randomness
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cortex.errors import CredentialError

MASK = "••••"
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_TOKEN_PARAMETER = re.compile(
    r"(?i)\b(access_token|refresh_token|client_secret|appsecret_proof|api_secret|password)=[^&\s\"']+"
)
_BEARER = re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{8,}")
_CPF = re.compile(r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b")
_PHONE = re.compile(r"(?<![\w.-])\+?(?:55[ -]?)?\(?\d{2}\)?[ -]?9\d{4}[ -]?\d{4}(?![\w-])")


class Secret:
    """A credential that shows itself only when asked by name."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source
        REDACTOR.remember(value)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK} from {self.source})"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret does not travel between processes; each process reads its own")


class Redactor:
    """Masks every secret this process has read, and what looks like an e-mail, a CPF, a mobile or a bearer token.

    One registry for the process, because a leak has no owner: every log line, error and report passes here.
    """

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._lock = threading.Lock()

    def remember(self, value: str) -> None:
        """Short values are not remembered: masking `123` everywhere would hide numbers, not secrets."""
        if len(value) >= 8:
            with self._lock:
                self._values.add(value)

    def clean(self, text: str) -> str:
        for value in tuple(self._values):
            if value in text:
                text = text.replace(value, MASK)
        text = _TOKEN_PARAMETER.sub(lambda match: f"{match[1]}={MASK}", text)
        text = _BEARER.sub(f"Bearer {MASK}", text)
        text = _EMAIL.sub(MASK, text)
        text = _CPF.sub(MASK, text)
        return _PHONE.sub(MASK, text)

    def clean_any(self, value: Any) -> Any:
        """The same for strings inside lists and mappings; other values pass."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {self.clean_any(key): self.clean_any(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_any(item) for item in value]
        return value


REDACTOR = Redactor()


def read_dotenv(path: Path) -> dict[str, str]:
    """`NAME=value` lines of a .env file; `export `, quotes and # comments as shells write them."""
    found: dict[str, str] = {}
    if not path.is_file():
        return found
    for raw in path.read_text(encoding="utf-8").splitlines():
        line = raw.strip().removeprefix("export ").lstrip()
        name, equals, value = line.partition("=")
        if not equals or line.startswith("#") or not name.strip().isidentifier():
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = value.split(" #", 1)[0].rstrip()
        found[name.strip()] = value
    return found


class Vault:
    """Where one tenant's credentials come from.

    A credential `META_TOKEN` of tenant `xyz` is looked for as CORTEX_XYZ_META_TOKEN, then as the agency-wide
    CORTEX_META_TOKEN; each in the environment, then in the workspace's `.env`; each also as `…_FILE`, the path
    of a file that holds it.
    """

    def __init__(self, code: str, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self.code = code
        self.root = root
        self._environment = os.environ if environment is None else environment
        self._dotenv = read_dotenv(root / ".env")

    def names(self, name: str) -> tuple[str, str]:
        return f"CORTEX_{self.code.upper()}_{name}", f"CORTEX_{name}"

    def find(self, *names: str) -> Secret | None:
        """The first of the named credentials that is set, or None."""
        for name in names:
            for variable in self.names(name):
                for place, values in (("environment", self._environment), (".env", self._dotenv)):
                    if values.get(variable):
                        return Secret(values[variable], f"{variable} in {place}")
                    if values.get(f"{variable}_FILE"):
                        return self._from_file(values[f"{variable}_FILE"], f"{variable}_FILE in {place}")
        return None

    def get(self, *names: str) -> Secret:
        """The first of the named credentials that is set. Raises CredentialError listing every name tried."""
        found = self.find(*names)
        if found is None:
            tried = ", ".join(variable for name in names for variable in self.names(name))
            raise CredentialError(
                "CTX-4001",
                f"No credential for client {self.code}: none of {tried} is set (environment, .env, or the same name ending in _FILE).",
                fix=f"Set {self.names(names[0])[0]} in {self.root / '.env'} or the environment.",
            )
        return found

    def _from_file(self, path: str, source: str) -> Secret:
        file = Path(path).expanduser()
        if not file.is_absolute():
            file = self.root / file
        try:
            return Secret(file.read_text(encoding="utf-8").strip(), source)
        except OSError as failure:
            raise CredentialError(
                "CTX-4002",
                f"{source} names {file}, which cannot be read ({failure.strerror}).",
                fix="Correct the path or the file's permissions.",
            ) from None

    def identity_key(self, *, create: bool = False) -> bytes:
        """The tenant's HMAC key for pseudonyms: CORTEX_<CODE>_IDENTITY_KEY, else `.cortex/keys/<code>.key` (0600).

        Losing it makes people unrecognisable for ever; that is also how a client is forgotten. Raises
        CredentialError when there is none and `create` is false.
        """
        configured = self.find("IDENTITY_KEY")
        if configured is not None:
            return configured.reveal().encode()
        file = self.root / ".cortex" / "keys" / f"{self.code}.key"
        if file.is_file():
            return Secret(file.read_text(encoding="ascii").strip(), str(file)).reveal().encode()
        if not create:
            raise CredentialError(
                "CTX-4003", f"Client {self.code} has no identity key yet.", fix=f"cortex onboard {self.code}"
            )
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        value = randomness.token_urlsafe(32)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            handle.write(value)
        return Secret(value, str(file)).reveal().encode()
