"""The ASGI application: routes, checks, the script's answer, the record."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from ctxmem.pricing import Prices

from . import chat_wire, messages_rules, messages_wire, openai_rules, responses_wire
from .record import Record
from .refusal import Refusal
from .script import Call, Failure, Raw, Reply, Script, answer_of
from .sending import Connection, shaped
from .usage import Accounts, count, input_tokens
from .wires import Ids, compact

POSTS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "count_tokens",
}
WIRES = {"chat": chat_wire, "responses": responses_wire, "messages": messages_wire}
MODELS = {
    "anthropic": ("claude-opus-5-5", "claude-sonnet-5-5", "claude-sonnet-5", "claude-haiku-4-5"),
    "openai": ("gpt-5", "gpt-5.6", "gpt-4o-mini", "gpt-4.1"),
}
ANTHROPIC_WINDOW, OPENAI_WINDOW = 200_000, 128_000


@dataclass
class App:
    """One upstream: its script, what it has seen, and what it has charged.

    Attributes:
        script: what it answers.
        scripts: other scripts, by API key.
        window: context length of every model; None: 200,000 for Anthropic, 128,000 for OpenAI.
        prices: the price row of every model; None: by the model's name.
        clock: seconds, for the life of cached prefixes.
        records: every request, in order of arrival.
    """

    script: Script = "Hello."
    scripts: dict[str, Script] = field(default_factory=dict)
    window: int | None = None
    prices: Prices | None = None
    clock: Callable[[], float] = time.monotonic
    records: list[Record] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    stored: dict[str, list] = field(default_factory=dict)
    known_items: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.prices)

    async def __call__(self, scope, receive, send) -> None:
        """Serve one request; websockets are recorded and refused."""
        record = Record(
            method=scope.get("method", scope["type"]),
            path=scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=[(bytes(name), bytes(value)) for name, value in scope["headers"]],
        )
        self.records.append(record)
        if scope["type"] == "websocket":
            record.api = "websocket"
            await receive()
            await send({"type": "websocket.close"})
            return
        connection = Connection(receive, send, record)
        record.body = await connection.body()
        if record.disconnected:
            return
        watch = asyncio.create_task(connection.watch())
        try:
            await self._serve(record, connection)
        finally:
            # A client that goes away wakes the watch as late as the writing fails.
            await asyncio.sleep(0)
            watch.cancel()

    async def _serve(self, record: Record, connection: Connection) -> None:
        headers = Headers(raw=record.headers)
        ids = Ids(len(self.records))
        try:
            await self._answer(record, headers, connection)
        except Refusal as refusal:
            record.error = refusal.message
            api = "anthropic" if "anthropic-version" in headers else record.api
            body = refusal.body(api, ids.of("req_"))
            await _send_json(connection, refusal.status, body, _common(record, ids))

    async def _answer(self, record: Record, headers: Headers, connection: Connection) -> None:
        path = record.path.rstrip("/")
        if record.method == "POST" and path in POSTS:
            record.api = POSTS[path]
            await self._post(record, headers, connection)
        elif record.method == "GET" and path.startswith("/v1/models"):
            record.api = "models"
            await self._models(record, headers, connection)
        elif path in POSTS:
            raise Refusal("Method Not Allowed", 405)
        else:
            raise Refusal(f"Not Found: {record.path}", 404)

    async def _models(self, record: Record, headers: Headers, connection: Connection) -> None:
        anthropic = "anthropic-version" in headers
        rules = messages_rules if anthropic else openai_rules
        record.key = rules.check_headers(headers)
        names = MODELS["anthropic" if anthropic else "openai"]
        rows = [_model_row(name, anthropic) for name in names]
        wanted = record.path.removeprefix("/v1/models").strip("/")
        body: dict = {"data": rows, "object": "list"}
        if anthropic:
            body = {"data": rows, "has_more": False, "first_id": names[0], "last_id": names[-1]}
        if wanted:
            if wanted not in names:
                raise Refusal(f"model: {wanted}", 404)
            body = rows[names.index(wanted)]
        await _send_json(connection, 200, body, _common(record, Ids(0)))

    async def _post(self, record: Record, headers: Headers, connection: Connection) -> None:
        anthropic = record.api in ("messages", "count_tokens")
        rules = messages_rules if anthropic else openai_rules
        record.key = rules.check_headers(headers)
        body = _parsed(record, headers, anthropic)
        beta = "beta=true" in record.query or "anthropic-beta" in headers
        items = self._checked(record.api, body, beta, headers.get("anthropic-version", ""))
        window = self.window or (ANTHROPIC_WINDOW if anthropic else OPENAI_WINDOW)
        tokens = input_tokens(record.api, body, items)
        if record.api == "count_tokens":
            await _send_json(connection, 200, {"input_tokens": tokens}, _common(record, Ids(0)))
            return
        if anthropic:
            messages_rules.check_length(body, tokens, window)
        else:
            place = "messages" if record.api == "chat" else "input"
            openai_rules.check_length(tokens, window, place)
        number = self.numbers.get(record.key, 0)
        self.numbers[record.key] = number + 1
        call = Call(record.api, body, items, number, record)
        answer = answer_of(self.scripts.get(record.key, self.script), call)
        if isinstance(answer, Failure):
            await self._fail(call, answer, connection)
        elif isinstance(answer, Raw):
            await connection.start(answer.status, list(answer.headers))
            if answer.body:
                await connection.send(answer.body)
            await connection.end()
        else:
            await self._reply(call, answer, connection)

    def _checked(self, api: str, body: dict, beta: bool, version: str) -> list:
        """Refuse a wrong body, or return its messages or its whole input."""
        if api in ("messages", "count_tokens"):
            counting = api == "count_tokens"
            messages_rules.check_body(body, beta=beta, counting=counting, version=version)
            return body["messages"]
        if api == "chat":
            openai_rules.check_chat(body)
            return body["messages"]
        items = self._input(body)
        openai_rules.check_responses(body, items)
        return items

    def _input(self, body: dict) -> list:
        given = body.get("input", [])
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        before = body.get("previous_response_id")
        if before is not None and before not in self.stored:
            raise Refusal(
                f"Previous response with id '{before}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        found = list(self.stored.get(before, []))
        for item in items if isinstance(items, list) else []:
            referenced = isinstance(item, dict) and item.get("type") == "item_reference"
            if referenced and item.get("id") not in self.known_items:
                raise Refusal(f"Item with id '{item.get('id')}' not found.", 404, "input")
            found.append(self.known_items[item["id"]] if referenced else item)
        return found

    async def _fail(self, call: Call, failure: Failure, connection: Connection) -> None:
        ids = Ids(call.number)
        await asyncio.sleep(failure.delay)
        headers = _common(call.record, ids)
        if failure.retry_after is not None:
            # Both APIs say seconds; the milliseconds are read first by their SDKs.
            headers.append(("retry-after", str(max(1, round(failure.retry_after)))))
            headers.append(("retry-after-ms", str(round(failure.retry_after * 1000))))
        code = "rate_limit_exceeded" if failure.status == 429 else None
        refusal = Refusal(failure.message, failure.status, code=code)
        call.record.error = failure.message
        body = refusal.body(call.api, ids.of("req_"))
        await _send_json(connection, failure.status, body, headers)

    async def _reply(self, call: Call, reply: Reply, connection: Connection) -> None:
        record, ids, wire = call.record, Ids(call.number), WIRES[call.api]
        usage = self._charge(call, reply)
        await asyncio.sleep(reply.delay)
        if reply.cut == -1:
            await connection.cut(reset=reply.reset)
            return
        packed = reply.gzip and "gzip" in record.header("accept-encoding")
        headers = _common(record, ids) + ([("content-encoding", "gzip")] if packed else [])
        if call.body.get("stream"):
            headers += [
                ("content-type", "text/event-stream; charset=utf-8"),
                ("cache-control", "no-cache"),
            ]
            parts = wire.events(reply, ids, call.body, usage)
        else:
            data = compact(wire.whole(reply, ids, call.body, usage)).encode()
            parts = [data]
            length = len(b"".join(shaped(_uncut(reply), parts, gzip=packed)))
            headers += [("content-type", "application/json"), ("content-length", str(length))]
        await connection.start(200, headers)
        for part in shaped(reply, parts, gzip=packed):
            if call.body.get("stream"):
                await asyncio.sleep(reply.pause)
            if record.disconnected:
                return
            await connection.send(part)
        if reply.cut is not None:
            await asyncio.sleep(0.01)  # so that the bytes before the cut have left
            await connection.cut(reset=reply.reset)
            return
        await connection.end()
        if call.api == "responses" and call.body.get("store") is not False:
            output = responses_wire.output_of(reply, ids, call.body)
            self.stored[ids.of("resp_")] = [*call.items, *output]
            self.known_items.update({item["id"]: item for item in output})

    def _charge(self, call: Call, reply: Reply) -> dict:
        said = [getattr(p, "text", None) or json.dumps(p.arguments) for p in reply.content]
        output = sum(map(count, said)) + 3
        key, now = call.record.key or "", self.clock()
        if call.api == "messages":
            usage = self.accounts.charge_messages(key, call.body, now, output)
        else:
            usage = self.accounts.charge_openai(key, call.body, call.items, now, output)
        call.record.usage = usage
        return usage


def _uncut(reply: Reply) -> Reply:
    return Reply(reply.parts, mangle=reply.mangle)


def _model_row(name: str, anthropic: bool) -> dict:
    if anthropic:
        made = {"created_at": "2026-01-01T00:00:00Z", "display_name": name}
        return {"type": "model", "id": name} | made
    return {"id": name, "object": "model", "created": chat_wire.CREATED, "owned_by": "system"}


def _common(record: Record, ids: Ids) -> list[tuple[str, str]]:
    """Return the headers of every answer, rate limits as examples of what must pass unchanged."""
    if record.api in ("messages", "count_tokens"):
        return [
            ("request-id", ids.of("req_")),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-organization-id", "org-upstream"),
        ]
    return [
        ("x-request-id", ids.of("req_")),
        ("x-ratelimit-remaining-requests", "4999"),
        ("openai-version", "2020-10-01"),
    ]


async def _send_json(
    connection: Connection, status: int, body: dict, headers: list[tuple[str, str]]
) -> None:
    data = compact(body).encode()
    kind = [("content-type", "application/json"), ("content-length", str(len(data)))]
    await connection.start(status, headers + kind)
    if connection.record.method != "HEAD":
        await connection.send(data)
    await connection.end()


def _decoded(record: Record, headers: Headers) -> bytes:
    coding = headers.get("content-encoding", "identity")
    try:
        if coding == "gzip":
            return gzip.decompress(record.body)
        if coding == "deflate":
            return zlib.decompress(record.body)
        if coding == "zstd":
            import zstandard

            return zstandard.ZstdDecompressor().decompressobj().decompress(record.body)
    except (OSError, zlib.error, ValueError) as error:
        raise Refusal(f"The body is not {coding}: {error}") from error
    if coding != "identity":
        raise Refusal(f"Unsupported content-encoding: {coding}", 415)
    return record.body


def _parsed(record: Record, headers: Headers, anthropic: bool) -> dict:
    record.decoded = _decoded(record, headers)
    if anthropic and len(record.decoded) > messages_rules.MAX_BODY:
        raise Refusal("Request exceeds the maximum size", 413)
    if not headers.get("content-type", "").startswith("application/json"):
        raise Refusal("The content-type must be application/json", 415 if anthropic else 400)
    try:
        body = json.loads(record.decoded.decode(), parse_constant=_no_constant)
        json.dumps(body, ensure_ascii=False).encode()  # a lone surrogate is no text
    except ValueError as error:
        text = f"The request body is not valid JSON: {error}"
        raise Refusal(
            text if anthropic else f"We could not parse the JSON body: {error}"
        ) from error
    if not isinstance(body, dict):
        raise Refusal("The request body must be a JSON object")
    return body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
