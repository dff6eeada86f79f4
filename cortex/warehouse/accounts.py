"""The database users of one client, with rights on that client's schema alone: `load` writes and migrates, `view` reads.

The configured user (that of the database URL) makes them where the server lets it, and is used for the control schema
and for making databases and users. A client's schema is reached as its own user as soon as its password is known: set
as CORTEX_<CODE>_DATABASE_LOAD_PASSWORD (and …_VIEW_…), else sealed in `.cortex/sealed.json`.
"""

from __future__ import annotations

import hashlib
import re
import secrets as randomness
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from cortex.errors import CredentialError, DatabaseError
from cortex.secrets import Secret, Vault
from cortex.warehouse import engine as engines
from cortex.warehouse.changes import Change
from cortex.warehouse.engine import Place
from cortex.warehouse.failures import DENIED, Denied, number

Role = Literal["load", "view"]
State = Literal["ready", "none", "refused", "differs"]

RIGHTS: dict[Role, frozenset[str]] = {
    "load": frozenset({
        "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "INDEX", "DROP", "REFERENCES",
        "CREATE TEMPORARY TABLES", "LOCK TABLES", "CREATE VIEW", "SHOW VIEW",
    }),
    "view": frozenset({"SELECT", "SHOW VIEW"}),
}  # fmt: skip
CONNECTIONS: dict[Role, int] = {"load": 20, "view": 10}
"""At once, per user: one client's runaway does not use up the server."""
LONGEST = 32
"""Characters of a user's name on MySQL."""
_UNWILLING = DENIED | {1290, 1396, 1410, 1819}
"""Not allowed to make users; read-only or no grant tables; the user is not there; no GRANT; the password is too plain."""
_EXISTS = 1396
_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<on>\S+|`(?:[^`]|``)+`\.\S+) TO (?P<to>\S+)")


@dataclass(frozen=True)
class User:
    """One of a client's users as it stands.

    ready: logs in and has its rights, no more and no less. none: no password is known. refused: the server does not
    let it in. differs: it has other rights than it should.
    """

    role: Role
    name: str
    state: State
    host: str = ""
    source: str = ""
    """Where its password was found."""
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """In words; nothing when all is well."""
        match self.state:
            case "ready":
                return ""
            case "none":
                return "no password is known here, so the configured user is used"
            case "refused":
                return f"the server refuses the password from {self.source}"
            case "differs":
                parts = [("lacks", self.missing), ("has too much", self.extra)]
                return "; ".join(f"{word}: {', '.join(rights)}" for word, rights in parts if rights)


@dataclass(frozen=True)
class Ensured:
    """What was done to a client's users. unwilling: why the server would not have it, empty when it did."""

    changes: tuple[Change, ...] = ()
    unwilling: str = ""


def user_name(code: str, role: Role) -> str:
    """The user's name, at most 32 characters; the tail of a long code is told by its digest. `-` is in no code.

    >>> user_name("loja_a", "load"), user_name("a" * 31, "view")
    ('cortex_loja_a_load', 'cortex_aaaaaaaaa-3338aed0b9_view')
    """
    name = f"cortex_{code}_{role}"
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(code.encode()).hexdigest()[:10]
    return f"cortex_{code[: LONGEST - len(f'cortex_-{digest}_{role}')]}-{digest}_{role}"


def scope(database: str) -> str:
    r"""What a grant is on: this schema and no other. `_` and `%` stand for any character there unless escaped.

    >>> print(scope("cortex_loja_a"))
    `cortex\_loja\_a`.*
    """
    escaped = re.sub(r"([\\_%])", r"\\\1", database).replace("`", "``")
    return f"`{escaped}`.*"


def place(base_url: str, code: str, state: Path, role: Role = "load") -> Place:
    """A client's schema as its own user reaches it; as the configured user where no password of its own is known.

    Raises DatabaseError as `engine.tenant_place`, CredentialError CTX-4008 when a sealed password does not open.
    """
    found = engines.tenant_place(base_url, code, state)
    if found.server is None:
        return found
    vault = _vault(code, state)
    for wanted in dict.fromkeys((role, "load")):
        secret = vault.own(_password(wanted))
        if secret is not None:
            return _as_user(found, user_name(code, wanted), secret)
    return found


def refused(place: Place, code: str) -> DatabaseError:
    """For the schema's own user being turned away: rotated, dropped, or robbed of its rights."""
    return DatabaseError(
        "CTX-5022",
        f"The server does not let {place.user} work in {place}.",
        fix=f"cortex onboard {code} (or correct CORTEX_{code.upper()}_DATABASE_…_PASSWORD if you set it yourself)",
    )


def examine(base_url: str, code: str, state: Path) -> list[User]:
    """Both users of a client as they stand; none on SQLite, which has no users. Changes nothing.

    Raises DatabaseError when the server cannot be reached.
    """
    found = engines.tenant_place(base_url, code, state)
    if found.server is None:
        return []
    return [_examine(found, code, state, role) for role in RIGHTS]


def plan(base_url: str, code: str, state: Path) -> list[Change]:
    """What `ensure` would do, as far as the configured user's own rights tell. Changes nothing."""
    wrong = [user for user in examine(base_url, code, state) if user.state != "ready"]
    if not wrong:
        return []
    with engines.server(engines.tenant_place(base_url, code, state)) as connection:
        able = _may_make_users(connection)
    return [Change("create" if user.state == "none" else "mend", f"user {user.name}") for user in wrong if able]


def ensure(base_url: str, code: str, state: Path) -> Ensured:
    """Make a client's users, give back a password that was rotated or lost, set rights right. Again changes nothing.

    Where the server does not allow it nothing is left behind: a password it refuses is forgotten, so that the
    configured user goes on being used. Raises DatabaseError when the server cannot be reached.
    """
    changes: list[Change] = []
    for user in examine(base_url, code, state):
        if user.state == "ready":
            continue
        found = engines.tenant_place(base_url, code, state)
        try:
            with engines.server(found) as connection:
                changes.append(_set_right(connection, found, user, code, state))
        except Denied as denied:
            if user.state == "refused":
                _vault(code, state).sealed.forget([_variable(code, user.role)])
            return Ensured(tuple(changes), denied.message)
    return Ensured(tuple(changes))


def statements(base_url: str, code: str, state: Path) -> list[str]:
    """What a database administrator runs where Cortex may not; `<…>` stands for what they choose. Holds no secret."""
    found = engines.tenant_place(base_url, code, state)
    if found.server is None:
        return []
    with engines.server(found) as connection:
        host, tls = _host(connection), _encrypted(connection)
    name = found.database
    made = [f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE {engines.COLLATION};"]
    for role in RIGHTS:
        who = f"'{user_name(code, role)}'@'{host}'"
        made.append(f"CREATE USER {who} IDENTIFIED BY '<{role} password>'{_limits(role, tls=tls)};")
        made.append(f"GRANT {_listed(role)} ON {scope(name)} TO {who};")
    return made


def variables(code: str) -> list[str]:
    """Where an administrator's passwords go: names for the environment or `.env`, each also as …_FILE."""
    return [_variable(code, role) for role in RIGHTS]


def drop(base_url: str, code: str, state: Path) -> None:
    """Remove a client's users and forget their passwords. Again is no error."""
    found = engines.tenant_place(base_url, code, state)
    if found.server is None:
        return
    with engines.server(found) as connection:
        host = _host(connection)
        for role in RIGHTS:
            connection.execute(text("DROP USER IF EXISTS :name@:host"), {"name": user_name(code, role), "host": host})
    _vault(code, state).sealed.forget(variables(code))


def _vault(code: str, state: Path) -> Vault:
    return Vault(code, state.parent, state=state)


def _password(role: Role) -> str:
    return f"DATABASE_{role.upper()}_PASSWORD"


def _variable(code: str, role: Role) -> str:
    return f"CORTEX_{code.upper()}_{_password(role)}"


def _as_user(found: Place, name: str, password: Secret) -> Place:
    assert found.server is not None
    server = found.server.set(username=name, password=password.reveal())
    return Place(found.dialect, found.database, server, user=name)


def _known(code: str, state: Path, role: Role) -> Secret | None:
    """The password, or None when there is none or its seal does not open: onboarding then makes another."""
    try:
        return _vault(code, state).own(_password(role))
    except CredentialError as error:
        if error.code != "CTX-4008":
            raise
        return None


def _examine(found: Place, code: str, state: Path, role: Role) -> User:
    name = user_name(code, role)
    secret = _known(code, state, role)
    if secret is None:
        return User(role, name, "none")
    try:
        with engines.server(_as_user(found, name, secret)) as connection:
            host, rights = _host(connection), dict(_rights(connection, name))
    except Denied:
        return User(role, name, "refused", source=secret.source)
    here = rights.pop(scope(found.database), frozenset()) - {"USAGE"}
    everywhere = rights.pop("*.*", frozenset()) - {"USAGE"}
    extra = (here - RIGHTS[role]) | {f"{right} ON *.*" for right in everywhere} | {f"rights ON {on}" for on in rights}
    missing = RIGHTS[role] - here
    state_: State = "differs" if extra or missing else "ready"
    return User(role, name, state_, host, secret.source, tuple(sorted(missing)), tuple(sorted(extra)))


def _rights(connection: Connection, name: str) -> Iterator[tuple[str, frozenset[str]]]:
    """What the connected user was granted itself, by what it is on. What PUBLIC has is doctor's to tell."""
    for line in connection.execute(text("SHOW GRANTS")).scalars():
        granted = _GRANT.match(line)
        if granted and granted["to"].startswith((f"`{name}`@", f"'{name}'@")):
            yield granted["on"], frozenset(granted["rights"].split(", "))


def _may_make_users(connection: Connection) -> bool:
    grants = [str(line) for line in connection.execute(text("SHOW GRANTS")).scalars()]
    wide = [found["rights"] for found in map(_GRANT.match, grants) if found and found["on"] == "*.*"]
    # What a role holds is not listed: having one, the server itself must be asked.
    return any("ALL PRIVILEGES" in rights or "CREATE USER" in rights for rights in wide) or any(
        " ON " not in line for line in grants
    )


def _set_right(connection: Connection, found: Place, user: User, code: str, state: Path) -> Change:
    """Make the user or give it a new password, unless it logs in; grant; see that it works; only then seal."""
    who = {"name": user.name, "host": user.host or _host(connection)}
    created = False
    password = _known(code, state, user.role)
    try:
        if user.state != "differs" or password is None:
            given = _vault(code, state).variables.find(_variable(code, user.role))
            password = given or Secret(_new_password(), "onboarding")
            created = _identify(connection, who, password, user.role)
        elif user.extra:
            _run(connection, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM :name@:host", who)
        _run(connection, f"GRANT {_listed(user.role)} ON {scope(found.database)} TO :name@:host", who)
        with engines.server(_as_user(found, user.name, password)):
            pass  # anonymous users may shadow it: then it is no use
    except Denied:
        if created:
            _run(connection, "DROP USER IF EXISTS :name@:host", who)
        raise
    vault = _vault(code, state)
    if user.state != "differs" and vault.variables.find(_variable(code, user.role)) is None:
        vault.sealed.put({_variable(code, user.role): password.reveal()})
    return Change("create" if created else "mend", f"user {user.name}")


def _identify(connection: Connection, who: dict[str, str], password: Secret, role: Role) -> bool:
    """Set the user's password and limits. True when the user had to be made."""
    mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
    # MariaDB writes the statement into its logs as it came, so it gets the digest it would store; MySQL masks it.
    how = "IDENTIFIED BY PASSWORD :password" if mariadb else "IDENTIFIED BY :password"
    told = who | {"password": _stored(password.reveal()) if mariadb else password.reveal()}
    limits = _limits(role, tls=_encrypted(connection))
    try:
        _run(connection, f"CREATE USER :name@:host {how}{limits}", told, exists=True)
    except FileExistsError:
        _run(connection, f"ALTER USER :name@:host {how}{limits}", told)
        return False
    return True


def _run(connection: Connection, statement: str, params: dict[str, str], *, exists: bool = False) -> None:
    """One statement about users. Raises Denied when the server does not allow it, FileExistsError when asked to."""
    try:
        connection.execute(text(statement), params)
    except DBAPIError as error:
        code = number(error)
        if exists and code == _EXISTS:
            raise FileExistsError from None
        if code in _UNWILLING:
            raise Denied(
                "CTX-5012", f"The server does not allow {statement.split(maxsplit=1)[0]} (error {code})."
            ) from None
        raise


def _new_password() -> str:
    """32 random bytes. Drawn again until every kind of character is in it, which many servers ask for."""
    while True:
        drawn = randomness.token_urlsafe(32)
        if all(re.search(kind, drawn) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[-_]")):
            return drawn


def _stored(password: str) -> str:
    """What MariaDB keeps of a password (mysql_native_password). 256 random bits are not to be guessed from it."""
    inner = hashlib.sha1(password.encode()).digest()  # noqa: S324  # the server's own form
    return "*" + hashlib.sha1(inner).hexdigest().upper()  # noqa: S324


def _limits(role: Role, *, tls: bool) -> str:
    """Who makes the user over TLS wants it nowhere else."""
    return f"{' REQUIRE SSL' if tls else ''} WITH MAX_USER_CONNECTIONS {CONNECTIONS[role]}"


def _listed(role: Role) -> str:
    return ", ".join(sorted(RIGHTS[role]))


def _host(connection: Connection) -> str:
    """From where the connected user may come, as the server knows it: its own users come from the same machines."""
    return str(connection.execute(text("SELECT CURRENT_USER()")).scalar_one()).rpartition("@")[2]


def _encrypted(connection: Connection) -> bool:
    return bool(connection.execute(text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()[1])
