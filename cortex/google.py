"""Google's credentials for Ads, Analytics and Data Manager: one JSON text in, short-lived bearer tokens out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cortex.errors import CredentialError, Transient
from cortex.http import Limits, guard
from cortex.limits import AGENCY
from cortex.secrets import REDACTOR, Secret
from cortex.settings import LOOPBACK, SecretName

CREDENTIALS = SecretName("GOOGLE_CREDENTIALS", "Google service account key or authorised user, as one JSON text")

TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105
ADWORDS = "https://www.googleapis.com/auth/adwords"
ANALYTICS = "https://www.googleapis.com/auth/analytics.readonly"
DATA_MANAGER = "https://www.googleapis.com/auth/datamanager"

LIMITS = Limits(read=30.0, total=60.0)

NEEDS = {
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
    "service_account": ("client_email", "private_key"),
}
HIDDEN = ("client_secret", "refresh_token", "private_key")

ADVICE = {
    "invalid_grant": "Create the credential again: a refresh token dies when its owner revokes it or changes the password, "
    "and after 7 days while the consent screen is in Testing; a service account may have been deleted.",
    "invalid_client": "client_id and client_secret do not belong together: copy both again from the OAuth client.",
    "unauthorized_client": "The OAuth client may not use this refresh token: create the token with this client.",
    "invalid_scope": "Create the refresh token again and grant it every scope the docs page names.",
}
"""What mends a refusal, by the `error` of RFC 6749 section 5.2."""


def credentials(secret: Secret, scopes: Sequence[str]) -> Any:
    """`google.auth` credentials for the JSON text in `secret`, not yet used: nothing goes over the network here.

    Takes {"type": "authorized_user", client_id, client_secret, refresh_token} and {"type": "service_account", …};
    both may name a `token_uri` (https, or http on loopback). Raises CredentialError when the text is neither.
    """
    from google.oauth2.credentials import Credentials
    from google.oauth2.service_account import Credentials as ServiceAccount

    said = _read(secret)
    if said["type"] == "authorized_user":
        return Credentials(
            None,
            refresh_token=said["refresh_token"],
            client_id=said["client_id"],
            client_secret=said["client_secret"],
            token_uri=said["token_uri"],
            scopes=list(scopes),
        )
    try:
        return ServiceAccount.from_service_account_info(said, scopes=list(scopes))
    except ValueError:
        raise _unreadable(secret, "its private_key cannot be read") from None


def bearer(found: Any, *, renew: bool = False) -> str:
    """A bearer token of `credentials(…)` that lives for some minutes yet, renewed when it does not.

    renew: fetch a new one whatever the clock says, because a platform no longer takes the present one.
    Raises CredentialError when Google refuses the credential, Transient when it cannot be asked.
    """
    from google.auth.credentials import TokenState

    if renew or found.token_state != TokenState.FRESH:
        _refresh(found)
    return str(found.token)


def project(secret: Secret | None) -> str:
    """The Cloud project a credential calls through, by its id or number, as far as the text says; the agency's only one
    when it does not. A credential that cannot be read is complained about where it is used."""
    if secret is None:
        return AGENCY
    try:
        said = msgspec.json.decode(secret.reveal(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return AGENCY
    client = str(said.get("client_id") or "")
    return str(said.get("project_id") or client.partition("-")[0])[:40] or AGENCY


def carrying(token: str) -> Any:
    """Credentials that carry a token and cannot renew it, for vendor clients: renewal stays in `bearer`, where it is
    guarded and its errors are named. (A service account given to them directly signs its own tokens instead, and
    asks a further Google host about regions from a thread.)"""
    from google.oauth2.credentials import Credentials

    return Credentials(token)


def _read(secret: Secret) -> dict[str, str]:
    try:
        said = msgspec.json.decode(secret.reveal(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _unreadable(secret, "it is not a JSON object") from None
    kind = said.get("type")
    if kind not in NEEDS:
        raise _unreadable(secret, "its type is neither service_account nor authorized_user")
    missing = [name for name in NEEDS[kind] if not isinstance(said.get(name), str) or not said[name]]
    if missing:
        raise _unreadable(secret, f"{', '.join(missing)} is missing")
    for name in HIDDEN:
        REDACTOR.remember(str(said.get(name) or ""))
    said["token_uri"] = str(said.get("token_uri") or TOKEN_URI)
    address = urlsplit(said["token_uri"])
    if address.scheme != "https" and (address.scheme != "http" or address.hostname not in LOOPBACK):
        raise _unreadable(secret, "its token_uri would send the credential unencrypted")
    return said


def _unreadable(secret: Secret, why: str) -> CredentialError:
    return CredentialError(
        "CTX-4030",
        f"The Google credential ({secret.source}) cannot be used: {why}.",
        fix="Paste the whole JSON file of the service account or authorised user as one line, "
        "or point the variable ending in _FILE at it.",
    )


def _refresh(found: Any) -> None:
    import requests
    from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
    from google.auth.transport.requests import Request

    with requests.Session() as session:
        guard(session, found._token_uri, LIMITS)
        try:
            found.refresh(Request(session))
        except TransportError as failure:
            raise _unreached(failure) from None
        except RefreshError as failure:
            # A gateway's 503 has no words of OAuth's: only an answer that names an error is a refusal.
            said = failure.args[1] if len(failure.args) > 1 else None
            if failure.retryable or not (isinstance(said, dict) and "error" in said):
                raise _unreached(failure) from None
            raise _refused(failure) from None
        except (GoogleAuthError, TypeError, KeyError) as failure:
            # The vendor's client looks for a token in whatever came with status 200, a gateway's web page included.
            raise _unreached(failure) from None
    REDACTOR.remember(str(found.token))


def _unreached(failure: Exception) -> Transient:
    return Transient("CTX-4032", f"Google's token endpoint did not answer as it should ({type(failure).__name__}).")


def _refused(failure: Exception) -> CredentialError:
    body = failure.args[1] if len(failure.args) > 1 and isinstance(failure.args[1], dict) else {}
    error, words = str(body.get("error", "")), str(body.get("error_description", ""))
    said = REDACTOR.clean(f"{error}: {words}" if words else error or "no reason given")
    return CredentialError(
        "CTX-4031",
        f"Google refused the credential ({said[:160]}).",
        fix=ADVICE.get(error, "Create the credential again as the docs page says, then run `cortex doctor`."),
    )
