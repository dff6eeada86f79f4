"""Credentials: found in the environment, `.env`, a file they point to or sealed, never in YAML, and never printed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import secrets as randomness
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from cortex.errors import CredentialError

MASK = "••••"
SHORTEST_KEY = 32
HEAD, FEW = 8, 100
"""Characters by which a secret is looked for, once there are more than a few."""
# The lookbehinds keep these linear: without them every letter of a long word starts a search of its own.
_EMAIL = re.compile(r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_TOKEN_PARAMETER = re.compile(
    r"(?i)\b(access_token|refresh_token|client_secret|appsecret_proof|api_secret|password)=[^&\s\"']+"
)
_BEARER = re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{8,}")
_API_KEY = re.compile(r"\bcortex_[0-9a-f]{12}_[0-9a-f]{48}\b")
_CPF = re.compile(r"(?<![\w.-])(?:\d{3}\.\d{3}\.\d{3}-?|\d{9}-?)\d{2}(?![\w-])")
_PHONE = re.compile(r"(?<![\w.-])\+?(?:55[ -]?)?\(?0?\d{2}\)?[ -]?9\d{4}[ -]?\d{4}(?![\w-])")
_INNER = ("private_key", "refresh_token", "client_secret", "access_token", "token", "password")
"""Keys of a credential that is itself JSON (a Google service account): each of these is a secret of its own."""


def _forms(value: str) -> Iterator[str]:
    """A secret as it may turn up: as it is, inside JSON, inside a URL, and the secrets inside it."""
    yield value
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    password = re.match(r"[a-z0-9+]+://[^:/@\s]*:([^@/\s]+)@", value)
    if password:
        yield password[1]
        yield unquote(password[1])
    if value.lstrip().startswith("{"):
        try:
            inside = json.loads(value)
        except ValueError:
            return
        for key in _INNER:
            inner = inside.get(key)
            if isinstance(inner, str):
                yield from _forms(inner)
                # A key in PEM is logged line by line.
                yield from (line for line in inner.splitlines() if len(line) >= 32 and not line.startswith("-----"))


def _is_cpf(text: str) -> bool:
    """Whether the two check digits are right (Receita Federal, modulo 11)."""
    digits = [int(character) for character in text if character.isdigit()]
    checks = (sum(digit * weight for digit, weight in zip(digits, range(n + 1, 1, -1), strict=False)) for n in (9, 10))
    return all(total * 10 % 11 % 10 == digits[9 + at] for at, total in enumerate(checks))


def _mask_cpf(match: re.Match[str]) -> str:
    """Numbers with both points always; bare digits only when they check, for order numbers have eleven too."""
    return MASK if "." in match[0] or _is_cpf(match[0]) else match[0]


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


def _longest_first(value: str) -> tuple[int, str]:
    return -len(value), value


class Redactor:
    """Masks every secret this process has read, and what looks like an e-mail, a CPF, a mobile or a bearer token.

    One registry for the process, because a leak has no owner: every log line, error and report passes here.
    """

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()
        self._heads: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def remember(self, value: str) -> None:
        """Short values are not remembered: masking `123` everywhere would hide numbers, not secrets."""
        forms = {form for form in _forms(value) if len(form) >= HEAD}
        with self._lock:
            if new := forms.difference(self._values):
                # Longest first: a secret that starts like a shorter one must not leave its tail.
                self._values = tuple(sorted(new.union(self._values), key=_longest_first))
                heads = {form[:HEAD] for form in new}
                self._heads = self._heads | {
                    head: tuple(value for value in self._values if value.startswith(head)) for head in heads
                }

    def _present(self, text: str) -> Sequence[str]:
        """Secrets that may be in a text. A process that works for hundreds of clients knows thousands of them."""
        if len(self._values) <= FEW:
            return self._values
        heads = self._heads
        starts = {text[at : at + HEAD] for at in range(len(text) - HEAD + 1)}
        return sorted((value for head in starts & heads.keys() for value in heads[head]), key=_longest_first)

    def clean(self, text: str) -> str:
        for value in self._present(text):
            text = text.replace(value, MASK)
        text = _TOKEN_PARAMETER.sub(lambda match: f"{match[1]}={MASK}", text)
        text = _BEARER.sub(f"Bearer {MASK}", text)
        text = _API_KEY.sub(MASK, text)
        text = _EMAIL.sub(MASK, text)
        text = _CPF.sub(_mask_cpf, text)
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
    """`NAME=value` lines of a .env file; `export `, quotes and # comments as shells write them.

    Raises CredentialError for a file that is not UTF-8 text and for a CORTEX_ value whose quote never closes (a
    multi-line value: those belong in a file of their own, named by `…_FILE`).
    """
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise CredentialError("CTX-4005", f"{path} cannot be read as UTF-8 text.", fix="Save it as UTF-8.") from None
    found: dict[str, str] = {}
    for at, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("export ").lstrip()
        name, equals, value = line.partition("=")
        name = name.strip()
        if not equals or line.startswith("#") or not name.isidentifier():
            continue
        parsed = _shell_value(value.strip())
        if parsed is None and name.startswith("CORTEX_"):
            raise CredentialError(
                "CTX-4005",
                f"{path}:{at} {name}: the quote never closes.",
                fix=f"Put a value of several lines into a file of its own and its path into {name}_FILE.",
            )
        found[name] = parsed or ""
    return found


def _shell_value(text: str) -> str | None:
    """One value as a shell would read it; None when its quote never closes."""
    if text[:1] == "'":
        end = text.find("'", 1)
        return text[1:end] if end > 0 else None
    if text[:1] == '"':
        closed = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        return re.sub(r'\\(["\\$`])', r"\1", closed[1]) if closed else None
    return "" if text.startswith("#") else text.split(" #", 1)[0].rstrip()


class Variables:
    """Where a variable is looked for: the environment, then the workspace's `.env`; each also as `…_FILE`."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._environment = os.environ if environment is None else environment
        self._dotenv = read_dotenv(root / ".env")

    def find(self, variable: str) -> Secret | None:
        """Its value, or that of the file it names. Raises CredentialError for a file that cannot be read."""
        for place, values in (("environment", self._environment), (".env", self._dotenv)):
            value = values.get(variable, "").strip()
            if value:
                return Secret(value, f"{variable} in {place}")
            if values.get(f"{variable}_FILE"):
                return _from_file(self.root, values[f"{variable}_FILE"], f"{variable}_FILE in {place}")
        return None


def database_url(root: Path) -> str:
    """CORTEX_DATABASE_URL from the environment or the workspace's `.env`; empty means embedded SQLite files."""
    url = os.environ.get("CORTEX_DATABASE_URL") or read_dotenv(root / ".env").get("CORTEX_DATABASE_URL", "")
    return Secret(url, "CORTEX_DATABASE_URL").reveal() if url else ""


class Sealed:
    """Secrets Cortex made itself: `.cortex/sealed.json`, each value encrypted (AES-256-GCM) for the name it is under.

    The key is CORTEX_WORKSPACE_KEY (environment, `.env`, or …_FILE), else `.cortex/keys/workspace.key`, made with the
    first secret. A copy of the file without the key opens nothing; a value moved under another name does not open.
    """

    def __init__(self, state: Path, variables: Variables) -> None:
        self.file = state / "sealed.json"
        self._keys = state / "keys"
        self._variables = variables

    def find(self, name: str) -> Secret | None:
        """The secret sealed under a name, or None. Raises CredentialError CTX-4008 when it does not open."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        sealed = self._read().get(name)
        if sealed is None:
            return None
        key = self._key(create=False)
        if key is None:
            raise self._locked(name)
        try:
            raw = base64.urlsafe_b64decode(sealed)
            return Secret(AESGCM(key).decrypt(raw[:12], raw[12:], name.encode()).decode(), f"{name} in {self.file}")
        except (InvalidTag, ValueError):
            raise self._locked(name) from None

    def put(self, values: Mapping[str, str]) -> None:
        """Seal values under their names, all at once or none. Raises CredentialError when they cannot be written."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._key(create=True)
        assert key is not None
        added = {}
        for name, value in values.items():
            nonce = randomness.token_bytes(12)
            sealed = nonce + AESGCM(key).encrypt(nonce, value.encode(), name.encode())
            added[name] = base64.urlsafe_b64encode(sealed).decode()
        self._change(lambda known: known | added)

    def forget(self, names: Collection[str]) -> None:
        """Throw secrets away. Names that are not there are no error."""
        if set(names) & set(self._read()):
            self._change(lambda known: {name: value for name, value in known.items() if name not in names})

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self.file.read_text(encoding="ascii"))["secrets"]
            return {str(name): str(value) for name, value in found.items()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise self._locked("the file") from None

    def _change(self, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        """Read, change and write the file as one: no reader sees half of it, no writer loses another's secret."""
        try:
            private_folder(self.file.parent)
            with _alone(self.file.with_suffix(".lock")):
                text = json.dumps({"version": 1, "secrets": change(self._read())}, indent=1, sort_keys=True) + "\n"
                draft = _draft(self.file, text)
                draft.replace(self.file)
        except OSError as failure:
            raise _unwritable(self.file, failure) from None

    def _key(self, *, create: bool) -> bytes | None:
        found = self._variables.find("CORTEX_WORKSPACE_KEY")
        file = self._keys / "workspace.key"
        if found is None and create and not file.is_file():
            _create_once(file, randomness.token_urlsafe(32))
        if found is None and file.is_file():
            found = _from_file(self._variables.root, str(file), str(file))
        return None if found is None else hashlib.sha256(b"cortex sealed secrets\0" + _strong(found)).digest()

    def _locked(self, what: str) -> CredentialError:
        return CredentialError(
            "CTX-4008",
            f"{what} in {self.file} does not open with this workspace's key.",
            fix="Restore .cortex/keys/workspace.key or CORTEX_WORKSPACE_KEY; or remove the file and run"
            " `cortex onboard CLIENT`, which makes new passwords.",
        )


class Vault:
    """Where one tenant's credentials come from.

    A credential `META_TOKEN` of tenant `xyz` is looked for as CORTEX_XYZ_META_TOKEN, then as the agency-wide
    CORTEX_META_TOKEN; each in the environment, then in the workspace's `.env`, each also as `…_FILE`, the path
    of a file that holds it; then among the sealed secrets. state: folder of keys and sealed secrets, `.cortex/`.
    """

    def __init__(
        self, code: str, root: Path, environment: Mapping[str, str] | None = None, *, state: Path | None = None
    ) -> None:
        self.code = code
        self.root = root
        self._state = state or root / ".cortex"
        self.variables = Variables(root, environment)
        self.sealed = Sealed(self._state, self.variables)

    def names(self, name: str) -> tuple[str, str]:
        return f"CORTEX_{self.code.upper()}_{name}", f"CORTEX_{name}"

    def find(self, *names: str) -> Secret | None:
        """The first of the named credentials that is set, or None."""
        for name in names:
            for variable in self.names(name):
                found = self._look(variable)
                if found is not None:
                    return found
        return None

    def own(self, name: str) -> Secret | None:
        """The tenant's own credential of that name or None: never the agency's."""
        return self._look(self.names(name)[0])

    def _look(self, variable: str) -> Secret | None:
        return self.variables.find(variable) or self.sealed.find(variable)

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

    def identity_key(self, *, create: bool = False) -> bytes:
        """The tenant's HMAC key for pseudonyms: CORTEX_<CODE>_IDENTITY_KEY, else `.cortex/keys/<code>.key` (0600).

        Never an agency-wide one: under one key two clients' buyers would have one pseudonym. Losing it makes people
        unrecognisable for ever; that is also how a client is forgotten. Raises CredentialError when there is none and
        `create` is false, and for a key too short to keep pseudonyms from being guessed.
        """
        variable = self.names("IDENTITY_KEY")[0]
        configured = self._look(variable)
        if configured is not None:
            return _strong(configured)
        file = self._state / "keys" / f"{self.code}.key"
        if not file.is_file():
            if not create:
                raise CredentialError(
                    "CTX-4003", f"Client {self.code} has no identity key yet.", fix=f"cortex onboard {self.code}"
                )
            _create_once(file, randomness.token_urlsafe(32))
        return _strong(_from_file(self.root, str(file), str(file)))


def _strong(secret: Secret) -> bytes:
    if len(secret.reveal()) < SHORTEST_KEY:
        raise CredentialError(
            "CTX-4006",
            f"The key in {secret.source} has fewer than {SHORTEST_KEY} characters.",
            fix="Use 32 random bytes, such as `openssl rand -base64 32`, before the first run; never change it after.",
        )
    return secret.reveal().encode()


def private_folder(folder: Path) -> None:
    """Make a folder and whatever is missing above it, each for its owner alone. One that is there stays as it is."""
    for missing in [*(above for above in reversed(folder.parents) if not above.exists()), folder]:
        missing.mkdir(mode=0o700, exist_ok=True)


def _from_file(root: Path, path: str, source: str) -> Secret:
    """A secret in a file of its own; a relative path starts at the workspace."""
    file = root / Path(path).expanduser()
    try:
        value, why = file.read_text(encoding="utf-8-sig").strip(), "is empty"
    except OSError as failure:
        value, why = "", f"cannot be read ({failure.strerror})"
    except UnicodeDecodeError:
        value, why = "", "is not UTF-8 text"
    if not value:
        raise CredentialError(
            "CTX-4002",
            f"{source} names {file}, which {why}.",
            fix="Correct the path, the content or the file's permissions.",
        )
    return Secret(value, source)


def _draft(file: Path, text: str) -> Path:
    """The text in a file beside `file`, on disk, readable by its owner alone."""
    draft = file.with_name(f".{file.name}.{randomness.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    return draft


def _create_once(file: Path, value: str) -> None:
    """Write a key that appears whole or not at all; of several processes the first wins and the others keep its key."""
    try:
        private_folder(file.parent)
        draft = _draft(file, value)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(draft, file)
        finally:
            draft.unlink()
    except OSError as failure:
        raise _unwritable(file, failure) from None


def _unwritable(file: Path, failure: OSError) -> CredentialError:
    return CredentialError(
        "CTX-4007",
        f"{file.name} cannot be written to {file.parent} ({failure.strerror}).",
        fix="Make the folder writable, or set the key in the environment.",
    )


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time in the block."""
    import fcntl

    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
