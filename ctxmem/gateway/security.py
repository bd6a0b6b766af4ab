"""Who may use the gateway, and which conversations are whose."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from ctxmem.errors import InputError
from ctxmem.gateway.relay import Headers
from ctxmem.gateway.settings import LOOPBACK, Settings

TOKEN_HEADER = b"x-ctxmem-token"
"""How a client from another machine shows its token; it is not passed on."""
SECRET_VARIABLE = "CTXMEM_GATEWAY_SECRET"
"""The key of the digests that name tenants, for gateways on several machines."""
_KEYS = (b"x-api-key", b"authorization", b"api-key", b"x-goog-api-key")
_SECRET_BYTES = 32


class Doorkeeper:
    """Checks where requests come from, and turns the clients' keys into names of tenants.

    A tenant is a keyed digest of the client's key, so conversations of two keys never meet, and
    the store holds nothing from which a key could be found.
    """

    def __init__(self, settings: Settings) -> None:
        self._token = settings.token.encode() if settings.token else None
        self.takes_tokens = self._token is not None
        self._local = settings.host in LOOPBACK
        self._secret = secret_of(settings.store)

    def refuses(self, headers: Headers) -> str:
        """Return why a request is refused, "" if it is not."""
        if self._token is not None:
            shown = next((value for name, value in headers if name == TOKEN_HEADER), b"")
            if not hmac.compare_digest(shown, self._token):
                return f"the header {TOKEN_HEADER.decode()} is missing or wrong"
        elif self._local and not _names_this_machine(headers):
            # A page from elsewhere whose name was made to point here.
            return "the host of the request is not this machine"
        return ""

    def tenant(self, headers: Headers) -> str:
        """Return the name of the tenant that a client's key makes."""
        shown = [b"%s:%s" % (name, value) for name, value in headers if name in _KEYS]
        made = hashlib.blake2b(b"\n".join(sorted(shown)), key=self._secret, digest_size=16)
        return f"gateway-{made.hexdigest()}"

    def digest(self, data: bytes) -> bytes:
        """Return a keyed digest of 16 bytes."""
        return hashlib.blake2b(data, key=self._secret, digest_size=16).digest()


def without_token(headers: Headers) -> Headers:
    """Return headers without the gateway's own."""
    return [header for header in headers if header[0] != TOKEN_HEADER]


def secret_of(store: str) -> bytes:
    """Return the key of the digests: from the environment, or from a file beside the store.

    The file is made for the owner only. A store in memory has a key for as long as it lives.

    Raises:
        InputError: the file is there and holds no key.
    """
    given = os.environ.get(SECRET_VARIABLE)
    if given:
        return hashlib.blake2b(given.encode(), digest_size=_SECRET_BYTES).digest()
    if store == ":memory:" or "://" in store:
        return secrets.token_bytes(_SECRET_BYTES)
    path = Path(f"{store}.key")
    path.parent.mkdir(parents=True, exist_ok=True)
    made = secrets.token_bytes(_SECRET_BYTES)
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(made)
        return made
    except FileExistsError:
        held = path.read_bytes()
    if len(held) != _SECRET_BYTES:
        raise InputError(f"{path} holds no key of {_SECRET_BYTES} bytes; restore it or remove it")
    return held


def _names_this_machine(headers: Headers) -> bool:
    host = next((value for name, value in headers if name == b"host"), b"").decode(
        "ascii", "ignore"
    )
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    return name.lower() in LOOPBACK
