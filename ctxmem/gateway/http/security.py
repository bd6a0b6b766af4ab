"""Who may use the gateway, and which conversations are whose."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import secrets
import stat
from pathlib import Path

from ctxmem.errors import InputError
from ctxmem.gateway.http.relay import Headers
from ctxmem.gateway.settings import LOOPBACK, Settings

log = logging.getLogger("ctxmem.gateway")

TOKEN_HEADER = b"x-ctxmem-token"
"""How a client from another machine shows its token; it is not passed on."""
SECRET_VARIABLE = "CTXMEM_GATEWAY_SECRET"
"""The key of the digests that name tenants, for gateways on several machines."""
_KEYS = (b"x-api-key", b"authorization", b"api-key", b"x-goog-api-key")
_SECRET_BYTES = 32
SECRET_CHARACTERS = 16
"""The shortest secret that is taken from the environment."""
_HOW_TO_MAKE = "such as of `openssl rand -hex 32`"


class Doorkeeper:
    """Checks where requests come from, and turns the clients' keys into names of tenants.

    A tenant is a keyed digest of the client's key, so conversations of two keys never meet, and
    the store holds nothing from which a key could be found.
    """

    def __init__(self, settings: Settings) -> None:
        self._token = settings.token.encode() if settings.token else None
        self._local = settings.host in LOOPBACK
        self._secret = secret_of(settings.store)

    def refuses(self, headers: Headers, *, own: bool = False) -> tuple[int, str] | None:
        """Return the status and the reason with which a request is refused, None if it is not.

        The gateway's own pages (`own`) also take the token as a password, which browsers and
        Prometheus ask for, and no requests that pages from elsewhere make.
        """
        if self._token is not None:
            if not self._shows_token(headers, own):
                return 401, f"the header {TOKEN_HEADER.decode()} is missing or wrong"
        elif self._local and not _names_this_machine(headers):
            # A page from elsewhere whose name was made to point here.
            return 403, "the host of the request is not this machine"
        if own and _first(headers, b"sec-fetch-site") == b"cross-site":
            return 403, "a page from elsewhere asks for this one"
        return None

    def _shows_token(self, headers: Headers, own: bool) -> bool:
        assert self._token is not None
        shown = _first(headers, TOKEN_HEADER)
        if own and not shown:
            shown = _password(_first(headers, b"authorization"))
        return hmac.compare_digest(shown, self._token)

    def tenant(self, headers: Headers) -> str:
        """Return the name of the tenant that a client's key makes."""
        return _tenant(headers, self._secret)

    def digest(self, data: bytes) -> bytes:
        """Return a keyed digest of 16 bytes."""
        return hashlib.blake2b(data, key=self._secret, digest_size=16).digest()


def tenants_of(key: str, store: str) -> list[str]:
    """Return the names of the tenants that a client's key makes, by the ways in which it is sent.

    Raises:
        InputError: as `secret_of` does.
    """
    secret, value = secret_of(store), key.encode()
    bearer = b"Bearer " + value
    ways: list[Headers] = [[(name, value)] for name in _KEYS if name != b"authorization"]
    ways.append([(b"authorization", bearer)])
    ways.append([(b"authorization", bearer), (b"x-api-key", value)])
    return [_tenant(way, secret) for way in ways]


def _tenant(headers: Headers, secret: bytes) -> str:
    shown = [b"%s:%s" % (name, value) for name, value in headers if name in _KEYS]
    made = hashlib.blake2b(b"\n".join(sorted(shown)), key=secret, digest_size=16)
    return f"gateway-{made.hexdigest()}"


def without_token(headers: Headers) -> Headers:
    """Return headers without the gateway's own."""
    return [header for header in headers if header[0] != TOKEN_HEADER]


def secret_of(store: str) -> bytes:
    """Return the key of the digests: from the environment, or from a file beside the store.

    The file is made for the owner only; rights of others that it has are taken away. A store in
    memory has a key for as long as it lives.

    Raises:
        InputError: the file is there and holds no key, or is another user's; the secret of the
            environment is missing or short enough to be guessed.
    """
    given = os.environ.get(SECRET_VARIABLE)
    if given:
        length = len(given.strip())
        if length < SECRET_CHARACTERS:
            raise InputError(
                f"{SECRET_VARIABLE} has {length} characters; expected at least "
                f"{SECRET_CHARACTERS}, {_HOW_TO_MAKE}"
            )
        return hashlib.blake2b(given.encode(), digest_size=_SECRET_BYTES).digest()
    if store == ":memory:":
        return secrets.token_bytes(_SECRET_BYTES)
    if "://" in store:
        raise InputError(
            f"a store that several machines share needs the variable {SECRET_VARIABLE}, the same "
            f"for all of them, {_HOW_TO_MAKE}: it names the tenants"
        )
    path = Path(f"{store}.key")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    return _held(path)


def _make(path: Path) -> None:
    """Write a new key, whole or not at all: another process may be doing the same."""
    made = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    with open(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(secrets.token_bytes(_SECRET_BYTES))
    try:
        os.link(made, path)  # fails if the file is there, so that the first one holds for all
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            os.replace(made, path)
            return
    made.unlink(missing_ok=True)


def _held(path: Path) -> bytes:
    with open(path, "rb") as file:
        if os.name == "posix":
            state = os.fstat(file.fileno())
            if state.st_uid not in (os.getuid(), 0):
                raise InputError(f"{path} is another user's; remove it or name another store")
            if stat.S_IMODE(state.st_mode) & 0o077:
                log.warning("%s could be read by others; it is now for its owner only", path)
                os.fchmod(file.fileno(), 0o600)
        held = file.read(_SECRET_BYTES + 1)
    if len(held) != _SECRET_BYTES:
        raise InputError(f"{path} holds no key of {_SECRET_BYTES} bytes; restore it or remove it")
    return held


def _first(headers: Headers, name: bytes) -> bytes:
    return next((value for given, value in headers if given == name), b"")


def _password(shown: bytes) -> bytes:
    """Return the password of HTTP's basic scheme."""
    scheme, _, coded = shown.partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(coded, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _names_this_machine(headers: Headers) -> bool:
    host = _first(headers, b"host").decode("ascii", "ignore")
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    return name.lower() in LOOPBACK
