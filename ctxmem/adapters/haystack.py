"""ctxmem in Haystack: components that keep documents and messages within a budget of tokens.

============== ================================ ==========================================
name           its place in a pipeline          inputs -> outputs
============== ================================ ==========================================
DocumentPacker between retriever and prompt     documents, query -> documents, text
MessageTrimmer before a chat generator          messages, tools -> messages, tokens
============== ================================ ==========================================
"""

# No annotations as strings here: Haystack before 3 does not connect components that have them.

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ctxmem.adapters.account import METADATA_KEY, accounts
from ctxmem.adapters.beside import trimmer
from ctxmem.errors import InputError, MissingExtraError
from ctxmem.intake import read_budget
from ctxmem.pipeline import pack
from ctxmem.schema import Chunk, Order, Window

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.dataclasses import ChatMessage, ToolCall, ToolCallResult
except ImportError as error:
    raise MissingExtraError(
        "ctxmem.adapters.haystack needs haystack-ai, which is not installed; install it with "
        "pip install 'ctxmem[haystack]'"
    ) from error

__all__ = ["DocumentPacker", "MessageTrimmer"]


@component
class DocumentPacker:
    """Pack retrieved documents into a token budget; see `ctxmem.pack` for what that does.

    `text` is the whole window, for a prompt. `documents` are its pieces: joined by `separator` they
    are never above the budget. Each keeps id, score and meta; of repeats the best-ranked survives.
    Under the one meta key "ctxmem" it says why it is there: `reason`, `detail`, `relevance`,
    `tokens`, and the `positions` in the input and `ids` of itself and its duplicates.
    Documents without text, such as images, are passed through behind the others.

    Documents are taken to come best first; say `ranked=False` where they do not. `meta_source`
    names the meta key of what they were cut from, by which pieces are put in order.

    >>> from haystack import Document
    >>> found = [Document(content="Notice is thirty days.", id=i) for i in ("a", "b")]
    >>> packed = DocumentPacker(50).run(found, "How long is the notice?")
    >>> packed["text"], [d.meta["ctxmem"]["ids"] for d in packed["documents"]]
    ('Notice is thirty days.', [['a', 'b']])
    """

    def __init__(
        self,
        budget: int,
        counter: Any = "o200k_base",
        dedup: Any = "careful",
        compress: Any = True,
        order: Order = "auto",
        separator: str = "\n\n",
        ranked: bool = True,
        meta_source: str = "source",
    ) -> None:
        self.budget = read_budget(budget).limit
        self.counter = counter
        self.dedup = dedup
        self.compress = compress
        self.order: Order = order
        self.separator = separator
        self.ranked = ranked
        self.meta_source = meta_source
        self._pack([Document(content="-")], None)  # raises for options that cannot be used

    @component.output_types(documents=list[Document], text=str)
    def run(self, documents: list[Document], query: str | None = None) -> dict[str, Any]:
        """Return as many of the documents as the budget holds, in window order, and their text."""
        with_text = [document for document in documents if document.content]
        others = [document for document in documents if not document.content]
        if not with_text:
            return {"documents": others, "text": ""}
        window = self._pack(with_text, query)
        return {"documents": [*_documents(window, with_text), *others], "text": window.text}

    def window(self, documents: Sequence[Document], query: str | None = None) -> Window | None:
        """Return the window with a decision for every document, None if there is no text."""
        with_text = [document for document in documents if document.content]
        return self._pack(with_text, query) if with_text else None

    def to_dict(self) -> dict[str, Any]:
        """Return the component as plain data; raises `InputError` if its counter is a function."""
        names = ("budget", "counter", "dedup", "compress", "order", "separator", "ranked")
        return _to_dict(self, (*names, "meta_source"))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "DocumentPacker":
        """Return the component that `to_dict` described."""
        made: DocumentPacker = default_from_dict(cls, data)
        return made

    def _pack(self, documents: Sequence[Document], query: str | None) -> Window:
        texts: dict[str, set[str | None]] = {}
        for document in documents:
            texts.setdefault(document.id, set()).add(document.content)
        chunks = [
            Chunk(
                cast("str", document.content),  # `pack` says which one has none
                # Some splitters leave one id on all parts of a document.
                id=document.id if len(texts[document.id]) == 1 else None,
                score=document.score,
                source=_text(document.meta.get(self.meta_source)),
            )
            for document in documents
        ]
        return pack(
            chunks,
            self.budget,
            query=query or None,
            counter=self.counter,
            dedup=self.dedup,
            compress=self.compress,
            order=self.order,
            separator=self.separator,
            ranked=self.ranked,
            header=None,
        )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _documents(window: Window, given: Sequence[Document]) -> list[Document]:
    packed = []
    for piece, at, account in accounts(window):
        ids = list(dict.fromkeys(given[i].id for i in account["positions"]))
        meta = {**given[at].meta, METADATA_KEY: {**account, "ids": ids}}
        packed.append(replace(given[at], content=piece.text, meta=meta))
    return packed


@component
class MessageTrimmer:
    """Cut a list of chat messages to a token budget, by `ctxmem.trim_messages`.

    Calls stay with their results, the last question, calls in flight and leading system messages
    are kept, a broken list is repaired. Messages are the objects given, except for those of which
    only a part is shown, and for a note with what binds of those that leave. Schemas of `tools`
    count. If what must stay does not fit, `BudgetError` names it and the pipeline ends with it.

    >>> from haystack.dataclasses import ChatMessage
    >>> chat = [ChatMessage.from_user(f"This is question {i}.") for i in range(20)]
    >>> made = MessageTrimmer(80).run(chat)
    >>> len(made["messages"]) < 12, made["messages"][-1] is chat[-1], made["tokens"] <= 80
    (True, True, True)
    """

    def __init__(
        self,
        budget: int,
        counter: Any = "o200k_base",
        provider: str | None = None,
        low_water: float | None = 0.5,
    ) -> None:
        self.budget = read_budget(budget).limit
        self.counter = counter
        self.provider = provider
        self.low_water = low_water
        self._trimmer = trimmer(budget, counter, provider, low_water)

    @component.output_types(messages=list[ChatMessage], tokens=int)
    def run(self, messages: list[ChatMessage], tools: Any = None) -> dict[str, Any]:
        """Return the messages that fit, oldest first, and the tokens of the request."""
        kept, stats = self._trimmer.cut(list(_views(messages)), tools=_schemas(tools))
        return {"messages": list(_originals(kept, messages)), "tokens": stats.tokens}

    def to_dict(self) -> dict[str, Any]:
        """Return the component as plain data; raises `InputError` if its counter is a function."""
        return _to_dict(self, ("budget", "counter", "provider", "low_water"))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "MessageTrimmer":
        """Return the component that `to_dict` described."""
        made: MessageTrimmer = default_from_dict(cls, data)
        return made


def _to_dict(made: Any, names: Iterable[str]) -> dict[str, Any]:
    fields = {name: getattr(made, name) for name in names}
    if not isinstance(fields["counter"], str):
        raise InputError(
            f"counter is {fields['counter']!r}, which cannot be written as data; expected the name "
            "of a counter: give one to write the pipeline"
        )
    written: dict[str, Any] = default_to_dict(made, **fields)
    return written


def _schemas(tools: Any) -> list[dict[str, Any]]:
    """Return the schemas of tools, toolsets or lists of both."""
    if tools is None:
        return []
    found: list[dict[str, Any]] = []
    for tool in tools if isinstance(tools, Iterable) else [tools]:
        spec = getattr(tool, "tool_spec", None)
        if isinstance(spec, Mapping):
            found.append({"type": "function", "function": dict(spec)})
        else:
            found += _schemas(tool)
    return found


# Messages ----------------------------------------------------------------------------------------

_PLACE = "ctxmem_place"
"""The key by which a view, and every copy of it, says which message it is of."""


def _views(messages: Sequence[ChatMessage]) -> Iterator[dict[str, Any]]:
    """Yield each message in the form of chat completions, where a message has all its kinds."""
    ids = _Ids()
    for place, message in enumerate(messages):
        view: dict[str, Any] = {"role": message.role.value, _PLACE: place}
        if message.name:
            view["name"] = message.name
        results = message.tool_call_results
        if results:
            view["tool_call_id"] = ids.of_result(results[0])
            view["content"] = _content(results[0].result)
            yield view
            continue
        view["content"] = _content(
            [*message.texts, *message.images, *getattr(message, "files", ())]
        )
        thoughts = [one.reasoning_text for one in message.reasonings]
        if thoughts:
            view["reasoning_content"] = "\n".join(thoughts)
        calls = message.tool_calls
        if calls:
            view["tool_calls"] = [
                {
                    "id": ids.of_call(call),
                    "type": "function",
                    "function": {"name": call.tool_name, "arguments": json.dumps(call.arguments)},
                }
                for call in calls
            ]
        yield view


class _Ids:
    """Ids of calls; Haystack has calls without one, which their results repeat whole."""

    def __init__(self) -> None:
        self._open: list[tuple[ToolCall, str]] = []
        self._made = 0

    def of_call(self, call: ToolCall) -> str:
        if call.id is not None:
            return str(call.id)
        self._made += 1
        self._open.append((call, f"ctxmem-{self._made}"))
        return self._open[-1][1]

    def of_result(self, result: ToolCallResult) -> str:
        if result.origin.id is not None:
            return str(result.origin.id)
        for i, (call, made) in enumerate(self._open):
            if call == result.origin:
                del self._open[i]
                return made
        return "ctxmem-unknown"


def _content(given: Any) -> Any:
    if isinstance(given, str):
        return given
    blocks: list[dict[str, Any]] = []
    for part in given:
        if isinstance(part, str):
            blocks.append({"type": "text", "text": part})
        elif hasattr(part, "text"):
            blocks.append({"type": "text", "text": part.text})
        elif hasattr(part, "base64_image"):
            url = f"data:{part.mime_type or 'image/png'};base64,{part.base64_image}"
            detail = {"detail": part.detail} if part.detail else {}
            blocks.append({"type": "image_url", "image_url": {"url": url, **detail}})
        else:
            data = f"data:{part.mime_type or 'application/pdf'};base64,{part.base64_data}"
            name = part.filename or "file"
            blocks.append({"type": "file", "file": {"file_data": data, "filename": name}})
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return blocks[0]["text"]
    return blocks or None


def _originals(
    kept: Iterable[dict[str, Any]], given: Sequence[ChatMessage]
) -> Iterator[ChatMessage]:
    """Yield the message of each view; of a view that was changed a copy with its changes."""
    views = list(_views(given))
    calls = {
        call["id"]: origin
        for view, message in zip(views, given, strict=True)
        for call, origin in zip(view.get("tool_calls", ()), message.tool_calls, strict=True)
    }
    for view in kept:
        place = view.get(_PLACE)
        if place is not None and view == views[place]:
            yield given[place]
        elif view["role"] == "tool":
            yield _result(view, None if place is None else given[place], calls)
        else:
            yield _changed(view, None if place is None else given[place], calls)


def _result(
    view: Mapping[str, Any], origin: ChatMessage | None, calls: Mapping[str, ToolCall]
) -> ChatMessage:
    if origin is None:  # a repair: the result of a call that never got one
        call = calls[view["tool_call_id"]]
        return ChatMessage.from_tool(_said(view), origin=call, error=True)
    old = origin.tool_call_results[0]
    shown: Any = _said(view)
    if not isinstance(old.result, str):
        kind: Any = next(type(part) for part in old.result if hasattr(part, "text"))
        shown = [kind(text=shown), *(part for part in old.result if not hasattr(part, "text"))]
    return ChatMessage.from_tool(shown, origin=old.origin, error=old.error, meta=origin.meta)


def _changed(
    view: Mapping[str, Any], origin: ChatMessage | None, calls: Mapping[str, ToolCall]
) -> ChatMessage:
    text = _said(view)
    meta = {} if origin is None else origin.meta
    if view["role"] == "assistant":
        called = [calls[call["id"]] for call in view.get("tool_calls", ())]
        return ChatMessage.from_assistant(
            text or None,
            meta=meta,
            tool_calls=called or None,
            reasoning=None if origin is None else origin.reasoning,
        )
    made = ChatMessage.from_system if view["role"] == "system" else ChatMessage.from_user
    return made(text, meta=meta)


def _said(view: Mapping[str, Any]) -> str:
    content = view.get("content")
    if isinstance(content, list):
        return "\n".join(block["text"] for block in content if block.get("type") == "text")
    return content or ""
