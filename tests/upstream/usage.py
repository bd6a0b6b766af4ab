"""What a request costs: tokens by tiktoken and a prompt cache by the provider's rules.

Nothing here asks ctxmem for a count. The cache is `ctxmem.pricing.Bill`, one for each API key and
model, over the blocks and breakpoints of the request as it came.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field, replace

from tiktoken_oracle import encoding

from ctxmem.pricing import PRICES, Bill, Block, Prices

from .seals import decrypted

IMAGE_TOKENS = 500  # any constant: what an image costs is not what is tested here
MESSAGE_TOKENS = 3
TTL_1H, WRITE_1H = 3600.0, 2.0


@functools.lru_cache(4096)
def tokens_of(text: str) -> tuple[int, ...]:
    """Return the tokens of a text."""
    return tuple(encoding().encode_ordinary(text))


def count(text: str) -> int:
    """Return the number of tokens of a text."""
    return len(tokens_of(text))


def without_marks(value: object) -> object:
    """Return a JSON value without its cache marks, and with media as a word."""
    if isinstance(value, list):
        return [without_marks(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: without_marks(one) for key, one in value.items() if key != "cache_control"}


def rendered(value: object) -> tuple[str, int]:
    """Return the text of a block as the model may see it, and the number of its images."""
    if isinstance(value, str):
        return value, 0
    images = 0

    def elide(one: object) -> object:
        nonlocal images
        if isinstance(one, list):
            return [elide(each) for each in one]
        if not isinstance(one, dict):
            return one
        if one.get("type") in ("image", "image_url", "input_image"):
            images += 1
            return {"type": "image"}
        return {key: elide(each) for key, each in one.items() if key != "signature"}

    bare = elide(without_marks(value))
    if isinstance(bare, dict) and bare.get("type") == "text":
        return str(bare["text"]), images
    return json.dumps(bare, ensure_ascii=False), images


def size_of(value: object) -> int:
    """Return the tokens of a block."""
    text, images = rendered(value)
    return count(text) + IMAGE_TOKENS * images


@dataclass
class Account:
    """The cache and the bill of one API key and model.

    `cost` is in uncached input tokens, without output.
    """

    bill: Bill
    cost: float = 0.0
    output: int = 0
    calls: int = 0

    @property
    def read(self) -> int:
        """Tokens read from the cache so far."""
        return self.bill.read

    @property
    def written(self) -> int:
        """Tokens written to the cache so far, where writing is charged apart."""
        return self.bill.written

    @property
    def plain(self) -> int:
        """Tokens neither read nor written."""
        return self.bill.plain


def row_of(model: str) -> Prices:
    """Return the price row of a model, by its name."""
    if model.startswith("claude"):
        old = ("opus-4-5", "opus-4-6", "haiku-4-5")
        return PRICES["anthropic-4096" if any(one in model for one in old) else "anthropic"]
    if model.startswith("gpt-4o"):
        return PRICES["openai-4o"]
    version = model.removeprefix("gpt-5.").split("-")[0]
    newer = model.startswith("gpt-5.") and version.isdigit() and int(version) >= 6
    return PRICES["openai-5.6" if newer else "openai"]


def messages_blocks(body: dict) -> tuple[list[Block], list[int], int]:
    """Return the blocks of an Anthropic request, its breakpoints and the last with a 1 h life."""
    blocks: list[Block] = []
    marks: list[int] = []
    last_1h = 0

    def add(key: tuple, value: object, extra: int = 0) -> None:
        nonlocal last_1h
        bare = json.dumps([key, without_marks(value)], sort_keys=True)
        blocks.append(Block(bare, size_of(value) + extra))
        found = list(_controls(value))
        if found:
            marks.append(len(blocks))
        if any(control.get("ttl") == "1h" for control in found):
            last_1h = len(blocks)

    for tool in body.get("tools") or []:
        add(("tool",), tool)
    system = body.get("system") or []
    for block in [{"type": "text", "text": system}] if isinstance(system, str) else system:
        add(("system",), block)
    for message in body["messages"]:
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for n, block in enumerate(content):
            add((message["role"], n == 0), block, MESSAGE_TOKENS if n == 0 else 0)
    automatic = body.get("cache_control")
    if automatic and blocks:
        marks.append(len(blocks))
        if automatic.get("ttl") == "1h":
            last_1h = len(blocks)
    return blocks, marks, last_1h


def _controls(value: object):
    if isinstance(value, list):
        for one in value:
            yield from _controls(one)
    elif isinstance(value, dict):
        if value.get("cache_control"):
            yield value["cache_control"]
        if value.get("type") == "tool_result":
            yield from _controls(value.get("content"))


def openai_blocks(body: dict, items: list, row: Prices) -> tuple[list[Block], list[int]]:
    """Return the blocks of an OpenAI request: of `row.step` tokens, or of items where marked."""
    parts = [*(body.get("tools") or [])]
    if body.get("instructions"):
        parts.append(body["instructions"])
    parts += items
    shown = [_readable(part) for part in parts]
    if row.marked:
        blocks = [
            Block(json.dumps(part, sort_keys=True), size_of(part) + MESSAGE_TOKENS)
            for part in shown
        ]
        marks = [
            n + 1 for n, part in enumerate(parts) if "prompt_cache_breakpoint" in json.dumps(part)
        ]
        options = body.get("prompt_cache_options") or {}
        if options.get("mode") != "explicit":
            marks.append(len(blocks))
        return blocks, marks
    stream: list[int] = []
    for part in shown:
        text, images = rendered(part)
        stream += (-1,) * MESSAGE_TOKENS + tokens_of(text)
        stream += (hash(json.dumps(part, sort_keys=True)),) * (IMAGE_TOKENS * images)
    step = row.step
    pieces = [tuple(stream[at : at + step]) for at in range(0, len(stream), step)]
    return [Block(piece, len(piece)) for piece in pieces], []


def _readable(part: object) -> object:
    """Return an item with its encrypted reasoning as text, as the model sees it."""
    if isinstance(part, dict) and part.get("encrypted_content"):
        return {"type": "reasoning", "text": decrypted(part["encrypted_content"])}
    return part


@dataclass
class Accounts:
    """All accounts of an upstream; `row` fixes the price row, else the model's name does."""

    row: Prices | None = None
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)

    def of(self, key: str, model: str) -> Account:
        """Return the account of a key and model, a new one if there is none."""
        if (key, model) not in self.accounts:
            self.accounts[key, model] = Account(Bill(self.row or row_of(model)))
        return self.accounts[key, model]

    def total(self, key: str) -> float:
        """Return what all requests of a key cost, in uncached input tokens of each model."""
        return sum(account.cost for (owner, _), account in self.accounts.items() if owner == key)

    def charge_messages(self, key: str, body: dict, now: float, output: int) -> dict:
        """Charge an Anthropic request and return its usage."""
        account = self.of(key, body["model"])
        blocks, marks, last_1h = messages_blocks(body)
        bill = account.bill
        if last_1h:  # one life for all entries of the account: the longer one
            bill.prices = replace(bill.prices, ttl=TTL_1H)
        charge = bill.call(blocks, breakpoints=marks, now=now)
        end_1h = sum(block.tokens for block in blocks[:last_1h])
        hour = max(0, min(charge.written, end_1h - charge.read)) if charge.written else 0
        account.cost += charge.cost + hour * (WRITE_1H - bill.prices.write)
        account.output += output
        account.calls += 1
        return {
            "input_tokens": charge.plain,
            "cache_creation_input_tokens": charge.written,
            "cache_read_input_tokens": charge.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": charge.written - hour,
                "ephemeral_1h_input_tokens": hour,
            },
            "output_tokens": output,
            "service_tier": "standard",
        }

    def charge_openai(self, key: str, body: dict, items: list, now: float, output: int) -> dict:
        """Charge an OpenAI request and return its counts: input, cached, written, output."""
        account = self.of(key, body["model"])
        row = account.bill.prices
        blocks, marks = openai_blocks(body, items, row)
        charge = account.bill.call(blocks, breakpoints=marks, now=now)
        account.cost += charge.cost
        account.output += output
        account.calls += 1
        written = charge.written if row.marked else 0
        total = charge.read + charge.written + charge.plain
        return {"input": total, "cached": charge.read, "written": written, "output": output}


def input_tokens(api: str, body: dict, items: list) -> int:
    """Return the number of input tokens of a request, without charging it."""
    if api in ("messages", "count_tokens"):
        return sum(block.tokens for block in messages_blocks(body)[0])
    blocks, _ = openai_blocks(body, items, PRICES["openai"])
    return sum(block.tokens for block in blocks)
