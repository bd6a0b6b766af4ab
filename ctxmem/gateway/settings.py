"""The options of a gateway, checked when they are made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from urllib.parse import urlsplit

from ctxmem.chat.overhead import overhead_of
from ctxmem.errors import InputError
from ctxmem.gateway.http.relay import Place
from ctxmem.gateway.store_path import default_store
from ctxmem.pricing import prices_of
from ctxmem.tokens import resolve

MODES = ("observe", "guard", "manage")
WIRES = ("openai", "anthropic")
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
TOKEN_CHARACTERS = 16
"""The shortest token of a gateway that other machines reach."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of `ctxmem serve`.

    Attributes:
        upstreams: where requests go: a URL for all ("") or for one family of wire formats
            ("openai", "anthropic").
        host, port: where the gateway listens; port 0 takes a free one.
        mode: "observe", "guard" or "manage".
        budget: tokens that a managed request may have, tools and system message included; None:
            what the model takes.
        prices: row of `ctxmem.PRICES`; None: by the provider and the model.
        store: where conversations are kept: a path, ":memory:", or the URL of a PostgreSQL or a
            Redis, for which the variable CTXMEM_GATEWAY_SECRET is needed.
        token: what clients have to show; needed, with 16 characters at least, where `host` is no
            loopback.
        recall: offer the model a tool that reads what left the window, and answer its calls.
        tools: tokens that a client's tools may have: of more, those that a conversation needs are
            sent, and the model finds the others by a tool whose calls are answered; None: all.
        counter: as in `count_tokens`; None: by the model.
        proxy: a proxy on the way to the upstreams: its address, "env" for the one that the
            environment names, "" for none.
        most_read: bytes of a body that is looked into; a longer one is passed on unread.
        most_body: bytes that a request may have; a longer one is refused.
        log: form of the log on stderr: "text", of warnings and faults, or "json", of every request.
        show_text: whether the page shows texts of conversations.
        workers: processes.
    """

    upstreams: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8787
    mode: str = "observe"
    budget: int | None = None
    prices: str | None = None
    store: str = field(default_factory=default_store)
    token: str | None = None
    recall: bool = False
    tools: int | None = None
    counter: str | None = None
    proxy: str = ""
    most_read: int = 32 << 20
    most_body: int = 512 << 20
    show_text: bool = False
    log: str = "text"
    workers: int = 1

    def __post_init__(self) -> None:
        if not self.upstreams:
            raise InputError("no upstream is given; name the provider's address: --upstream URL")
        for name, url in self.upstreams.items():
            _check_upstream(name, url)
        if self.mode not in MODES:
            raise InputError(f"mode is {self.mode!r}; expected one of {', '.join(MODES)}")
        if self.budget is not None:
            self._check_budget(self.budget)
        if self.prices is not None:
            prices_of(self.prices)
        if self.host not in LOOPBACK and not self.token:
            raise InputError(
                f"host is {self.host!r}, which other machines reach: give a token that clients "
                "have to show (--token), or listen on 127.0.0.1"
            )
        if self.host not in LOOPBACK and len(self.token or "") < TOKEN_CHARACTERS:
            raise InputError(
                f"the token has {len(self.token or '')} characters; expected at least "
                f"{TOKEN_CHARACTERS} for {self.host}, such as of `openssl rand -hex 16`"
            )
        if not 0 <= self.port < 1 << 16:
            raise InputError(f"port is {self.port}; expected 0 to 65535")
        if self.proxy not in ("", "env") and not _is_address(self.proxy):
            raise InputError('the proxy is no address such as http://proxy:3128, and not "env"')
        if self.log not in ("text", "json"):
            raise InputError(f"log is {self.log!r}; expected 'text' or 'json'")
        if self.recall and self.mode != "manage":
            raise InputError(f"recall works in the mode 'manage', and the mode is {self.mode!r}")
        if self.tools is not None and self.tools < 1:
            raise InputError(f"tools is {self.tools}; expected a number of tokens")
        if self.tools is not None and self.mode != "manage":
            raise InputError(f"tools works in the mode 'manage', and the mode is {self.mode!r}")
        if self.most_body < 1:
            raise InputError("the longest body has to have a byte at least")
        if self.counter is not None:
            resolve(self.counter)
        if self.workers < 1:
            raise InputError(f"workers is {self.workers}; expected 1 or more")
        if self.workers > 1 and self.store == ":memory:":
            raise InputError("several workers cannot share ':memory:'; give --store a file")

    def _check_budget(self, budget: int) -> None:
        if self.mode == "observe":
            raise InputError(
                "budget works in the modes 'guard' and 'manage', and the mode is 'observe', which "
                "changes no request"
            )
        least = min(map(_least_request, self._families()))
        if budget < least:
            raise InputError(
                f"budget is {budget} tokens, and no request has less than {least}; a request has "
                "the system message, the tools and the user's last message at least"
            )

    def _families(self) -> tuple[str, ...]:
        named = tuple(name for name in self.upstreams if name)
        return WIRES if "" in self.upstreams or not named else named

    @property
    def answers(self) -> bool:
        """Whether the model may be offered tools whose calls are answered here."""
        return self.recall or self.tools is not None

    def upstream(self, family: str) -> str:
        """Return the address that requests of a family of wire formats go to, "" if there is none.

        `family` is "openai", "anthropic", or "" for a path that belongs to neither.
        """
        return self.upstreams.get(family) or self.upstreams.get("", "") or self._only()

    def place(self, family: str) -> Place | None:
        """Return the upstream that requests of a family go to, None if there is none."""
        url = self.upstream(family)
        return Place.of(url) if url else None

    def _only(self) -> str:
        return next(iter(self.upstreams.values())) if len(self.upstreams) == 1 else ""

    def to_json(self) -> str:
        """Return the settings as JSON, for worker processes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Return the settings that `to_json` wrote."""
        return cls(**json.loads(text))

    def with_port(self, port: int) -> Settings:
        """Return the settings with the port that was taken."""
        return replace(self, port=port)


def _least_request(family: str) -> int:
    """Return the tokens of the shortest request: one message of one token."""
    row = overhead_of(family, None)
    return row.request + row.message + row.roles + 1


def _check_upstream(name: str, url: str) -> None:
    if name and name not in WIRES:
        raise InputError(f"upstream {name!r} is none of {', '.join(WIRES)}")
    parts = urlsplit(url) if _is_address(url) else None
    if parts is None or parts.query or parts.fragment or parts.username:
        raise InputError(
            f"upstream is {url!r}; expected an address such as https://api.openai.com, without a "
            "query, a fragment or a user"
        )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and url.isascii() and url.isprintable() and " " not in url
