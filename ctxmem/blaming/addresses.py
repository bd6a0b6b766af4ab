"""A model at an OpenAI-compatible address.

Nothing is sent unless the user gave an address. The key is read from an environment variable when
it is needed, and is in no file, no message and no hash.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ctxmem.blaming.models import Answer, AskError, LostError, RefusedError, cut, read_answer
from ctxmem.errors import InputError

KEY_ENV = "OPENAI_API_KEY"
MAX_TOKENS = 1024
"""Tokens of an answer by default: the upper bound that a plan counts with."""

_BUSY = (408, 409, 425, 429, 500, 502, 503, 504, 529)
_REFUSED = (301, 302, 303, 307, 308, 401, 403, 404, 405)
_FORMS = 3  # of a request that are tried, without what the model does not take
_LONGEST_WAIT = 60.0
_LEAST_SECRET = 16  # characters of a key that is looked for in answers
_PART = 1 << 16  # bytes that are read at a time
_LARGEST = 32 << 20  # bytes of an answer that are read
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(slots=True)
class AddressModel:
    """A server that speaks OpenAI's chat completions.

    Attributes:
        address: as the user gave it; `/chat/completions` is added where it is missing.
        model: the name that is sent; "" sends the one that the trace names.
        key_env: variable that holds the key; None is OPENAI_API_KEY, for https and this machine.
        timeout: seconds that one attempt may take.
        retries: further attempts where the server is busy or cannot be reached.
        options: further fields of each request.
        sleep: waits between attempts.
    """

    address: str
    model: str = ""
    key_env: str | None = None
    timeout: float = 120.0
    retries: int = 4
    max_tokens: int = MAX_TOKENS
    temperature: float | None = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    parallel: int = 4
    sleep: Callable[[float], None] = time.sleep
    name: str = ""
    output_tokens: int | None = None
    notes: dict[str, str] = field(default_factory=dict)
    _url: str = ""
    _answered: bool = False
    _opener: urllib.request.OpenerDirector | None = None
    _lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"model is {self.address!r}; expected an address such as http://localhost:8000/v1, "
                f"or MODULE:FUNCTION"
            )
        if parts.username or parts.password or parts.query:
            raise InputError(
                "the address of the model holds a user, a password or a query; give the address "
                "alone and the key in an environment variable, by --key-env NAME"
            )
        path = parts.path.rstrip("/") or "/v1"
        if not path.endswith("/chat/completions"):
            path += "/chat/completions"
        self._url = urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        local = parts.hostname in _LOCAL
        if self.key_env is None and (parts.scheme == "https" or local):
            self.key_env = KEY_ENV
        self.name = self.model or self._url
        self.output_tokens = self.max_tokens
        handlers: list[Any] = [_NoRedirect()]
        if local:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def identity(self, recorded: str) -> Any:
        """Return the address and all that is sent with the messages, without the key."""
        return [
            "address",
            self._url,
            self.model or recorded,
            self.max_tokens,
            self.temperature,
            self.options,
        ]

    def ask(self, messages: list[dict[str, Any]], recorded: str) -> Answer:
        """Send one request, again where the server is busy, and read its answer."""
        model = self.model or recorded
        if not model:
            raise RefusedError(
                "the trace does not name the model, and an OpenAI-compatible address needs a name; "
                "give --name NAME"
            )
        wait, attempt, forms = 0.5, 0, 0
        while True:
            try:
                return _read(self._send(self._body(messages, model)))
            except urllib.error.HTTPError as error:
                self._answered = True
                said = self._said(error)
                if forms < _FORMS and self._adapts(error.code, said):
                    forms += 1
                    continue  # the same question, without what this model does not take
                if error.code in _REFUSED:
                    raise RefusedError(self._refusal(error.code, said)) from None
                if error.code not in _BUSY or attempt == self.retries:
                    raise AskError(f"HTTP {error.code}: {said}") from None
                asked = _retry_after(error.headers.get("Retry-After"))
                pause = wait if asked is None else asked
            except TimeoutError:
                if attempt == self.retries:
                    raise AskError(f"no answer within {self.timeout:g} seconds") from None
                pause = wait
            except (OSError, http.client.HTTPException) as error:
                # urllib's own errors are OSErrors: no such host, refused, reset, timed out.
                if attempt == self.retries:
                    cause = getattr(error, "reason", None) or error
                    # urllib wraps what happens before a connection is there.
                    if self._answered or not isinstance(error, urllib.error.URLError):
                        raise LostError(f"the connection was lost ({cause})") from None
                    raise RefusedError(
                        f"{self._url} cannot be reached ({cause}); expected the address of a "
                        f"server that runs, such as http://localhost:8000/v1"
                    ) from None
                pause = wait
            self.sleep(min(pause, _LONGEST_WAIT))
            wait *= 2
            attempt += 1

    def _body(self, messages: list[dict[str, Any]], model: str) -> dict[str, Any]:
        body: dict[str, Any] = {"model": model, "messages": messages, **self.options}
        if "max_tokens" not in self.notes:
            body["max_tokens"] = self.max_tokens
        else:
            body["max_completion_tokens"] = self.max_tokens
        if self.temperature is not None and "temperature" not in self.notes:
            body["temperature"] = self.temperature
        return body

    def _send(self, body: dict[str, Any]) -> bytes:
        assert self._opener is not None
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        key = self._key()
        if key:
            headers["Authorization"] = f"Bearer {key}"
        # ASCII, so that lone surrogates of a trace are sent as what they are.
        data = json.dumps(body).encode()
        request = urllib.request.Request(self._url, data, headers, method="POST")
        ends = time.monotonic() + self.timeout
        with self._opener.open(request, timeout=self.timeout) as response:
            read = _read_until(response, ends)
        self._answered = True
        # Some servers repeat the key; a short one, such as "none", is no secret but a word.
        return read.replace(key.encode(), b"***") if len(key) >= _LEAST_SECRET else read

    def _key(self) -> str:
        key = os.environ.get(self.key_env, "").strip() if self.key_env else ""
        if not (key.isascii() and key.isprintable()):
            # Python's own message would show the key.
            raise RefusedError(f"{self.key_env} holds a line break or a letter that no key has")
        return key

    def _said(self, error: urllib.error.HTTPError) -> str:
        """Return what a server says of an error, without the key that some servers repeat."""
        try:
            text = error.read(_LARGEST).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            text = ""
        try:
            inner = json.loads(text)
            inner = inner.get("error", inner)
            text = inner if isinstance(inner, str) else str(inner.get("message") or text)
        except (ValueError, AttributeError):
            pass
        key = self._key()
        if key:
            text = text.replace(key, "***")
        return cut(text) or str(error.reason)

    def _adapts(self, code: int, said: str) -> bool:
        """Leave out what the model does not take; return whether the request is another now."""
        if code not in (400, 422):
            return False
        with self._lock:
            if "max_tokens" in said and "max_completion_tokens" in said:
                return self._note("max_tokens", "sent as max_completion_tokens, as the model asks")
            if "temperature" in said and self.temperature is not None:
                return self._note("temperature", "not sent: the model does not take it")
        return False

    def _note(self, name: str, what: str) -> bool:
        # Requests under way when the first one was refused are refused too, and sent once more.
        self.notes[name] = what
        return True

    def _refusal(self, code: int, said: str) -> str:
        if code in (401, 403):
            name = self.key_env or KEY_ENV
            there = "is set" if self._key() else "is not set, or not sent to this address"
            return (
                f"{self._url} refused the key (HTTP {code}: {said}); {name} {there}: set it, or "
                f"name another variable by --key-env"
            )
        return (
            f"{self._url} has no such address or model (HTTP {code}: {said}); check the address, "
            f"which ends in /v1 for most servers, and --name"
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key and the prompts are for the address that the user gave."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _read_until(response: Any, ends: float) -> bytes:
    """Return what a server sends, if it is all there in time.

    Servers whose queue is long send blank lines for as long as it takes, and each of them would
    begin the time of a socket again.
    """
    length = response.headers.get("Content-Length", "")
    left = min(int(length), _LARGEST) if length.isdecimal() else None
    parts: list[bytes] = []
    size = 0
    while size < (_LARGEST if left is None else left):
        part = response.read1(_PART if left is None else min(_PART, left - size))
        if not part:
            break
        parts.append(part)
        size += len(part)
        if time.monotonic() > ends:
            raise TimeoutError
    if left is not None and size < left:
        raise http.client.IncompleteRead(b"", left - size)
    return b"".join(parts)


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a server asks to wait, which it says as a number or as a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _read(data: bytes) -> Answer:
    """Return the answer that a response holds."""
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        begin = " ".join(data[:200].decode("utf-8", "replace").split())[:80]
        raise AskError(f"the answer is not JSON: it begins with {begin!r}") from None
    return read_answer(record)
