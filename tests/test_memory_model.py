"""Memory against a plain model: a list of what was appended, and the laws of a window."""

from __future__ import annotations

import json

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from reference_tables import read_table

import ctxmem
from ctxmem import BudgetError, Memory
from ctxmem.memory.tables import tabled
from ctxmem.stores import MemoryStore

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["7", "-0.5", "null", "a b=c", "x y", "true", " ", "a,b", "[", "é"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from("abc"), inner, max_size=4)
        | st.lists(st.fixed_dictionaries({"a": inner, "b": st.fixed_dictionaries({"c": inner})}))
    ),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(VALUES, st.booleans())
def test_a_table_can_be_read_back(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    table = tabled(text)
    if table is None:
        assert not isinstance(value, list | dict) or not value
        return
    again = read_table(table)
    assert json.dumps(again) == json.dumps(value)  # values, their types and the order of keys


class Model(RuleBasedStateMachine):
    """Appends, windows, pins, recalls and reopenings, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.appended: list[dict] = []
        self.pages: list[list[str]] = []
        self.pinned: set[int] = set()
        self.before: ctxmem.MemoryWindow | None = None
        self.open_calls: list[str] = []
        self.count = 0

    @initialize(
        budget=st.integers(120, 2500),
        policy=st.sampled_from(["auto", "auto", "batch", "slide", "lru", "arc"]),
        miss_cost=st.sampled_from([0.0, 0.25, 3.0]),
        prices=st.sampled_from(["anthropic", "openai", "vllm", "uncached"]),
    )
    def open(self, **options) -> None:
        self.options = options
        self.memory = Memory(store=self.store, **options)

    def keep(self, message) -> None:
        self.pages.append(self.memory.append(message))
        self.appended.append(message)

    def words(self, size: int) -> str:
        self.count += 1
        return f"note_{self.count} " + "word " * size

    @precondition(lambda self: not self.open_calls)
    @rule(size=st.integers(1, 60))
    def ask(self, size) -> None:
        self.keep({"role": "user", "content": self.words(size)})

    @precondition(lambda self: not self.open_calls)
    @rule(size=st.integers(1, 60))
    def say(self, size) -> None:
        self.keep({"role": "assistant", "content": self.words(size)})

    @precondition(lambda self: not self.open_calls)
    @rule(calls=st.integers(1, 3))
    def call(self, calls) -> None:
        made = []
        for _ in range(calls):
            self.count += 1
            function = {"name": "get", "arguments": f'{{"n":{self.count}}}'}
            made.append({"id": f"c{self.count}", "type": "function", "function": function})
        self.keep({"role": "assistant", "content": None, "tool_calls": made})
        self.open_calls = [one["id"] for one in made]

    @precondition(lambda self: self.open_calls)
    @rule(size=st.sampled_from([1, 20, 80, 1500]), rows=st.booleans())
    def answer(self, size, rows) -> None:
        key = self.open_calls.pop(0)
        text = self.words(size)
        if rows:
            made = [{"id": i, "name": f"row_{self.count}_{i}"} for i in range(size // 10 + 1)]
            text = json.dumps(made)
        self.keep({"role": "tool", "tool_call_id": key, "content": text})

    @precondition(lambda self: not self.open_calls)
    @rule(size=st.integers(1, 400))
    def passage(self, size) -> None:
        text = self.words(size)
        self.pages.append(self.memory.append(ctxmem.Chunk(text)))
        self.appended.append({"role": "user", "content": text})

    @precondition(lambda self: self.appended)
    @rule(data=st.data(), pinned=st.booleans())
    def pin(self, data, pinned) -> None:
        item = data.draw(st.integers(0, len(self.appended) - 1))
        (self.memory.pin if pinned else self.memory.unpin)(self.pages[item][0])
        (self.pinned.add if pinned else self.pinned.discard)(item)

    @precondition(lambda self: self.appended and not self.open_calls)
    @rule(data=st.data())
    def recall(self, data) -> None:
        item = data.draw(st.integers(0, len(self.appended) - 1))
        text = self.memory.page(self.pages[item][0]).text
        name = text.split()[0] if text.split() else "word"
        self.look(name)
        assert all(page.score > 0 for page in self.memory.recall(name, 3))

    @rule()
    def window(self) -> None:
        if not self.open_calls:
            self.look(None)

    def look(self, query) -> bool:
        try:
            window = self.memory.window(query)
        except BudgetError as error:
            assert error.pinned
            return False
        assert window.tokens == ctxmem.count_messages(window.messages) <= self.options["budget"]
        stable = window.messages[: window.volatile_from]
        assert window.stable_tokens == ctxmem.count_messages(stable)
        broken = {finding.kind for finding in ctxmem.check(window.messages)}
        assert not broken & {"orphan_result", "open_call", "misplaced_result"}
        edited = any(event.kind in ("edit", "excerpt") for event in window.events)
        if self.before is not None and not edited:
            known = self.before.messages[: self.before.volatile_from]
            assert window.messages[: len(known)] == known
        self.before = window
        for item in self.pinned:
            for page in self.pages[item]:
                assert self.memory.page(page).resident
        for page in self.memory.pages():
            if page.resident:
                self.is_shown(page, window)
        return True

    def is_shown(self, page, window) -> None:
        shown = "\n".join(json.dumps(message, ensure_ascii=False) for message in window.messages)
        text = page.text
        whole = self.appended[page.message]["content"]
        if page.role == "tool" and json.dumps(whole)[1:-1] not in shown:
            text = tabled(whole) or text
        if page.role == "assistant" and text.startswith("get("):
            return  # a call, which stands beside the content
        assert json.dumps(text, ensure_ascii=False)[1:-1] in shown

    @precondition(lambda self: not self.open_calls)
    @rule()
    def reopen(self) -> None:
        fits = self.look(None)
        self.memory.close()
        self.memory = Memory(store=self.store, **self.options)
        if fits:
            shown = json.dumps(self.before.messages)
            assert json.dumps(self.memory.window().messages) == shown

    @invariant()
    def everything_is_kept(self) -> None:
        if not hasattr(self, "memory"):
            return
        pages = self.memory.pages()
        assert [page.id for page in pages] == [page for ids in self.pages for page in ids]
        for item, message in enumerate(self.appended):
            text = "".join(page.text for page in pages if page.message == item)
            if isinstance(message["content"], str):
                assert text == message["content"]
            else:
                assert "get(" in text


Model.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[phase for phase in Phase if phase is not Phase.shrink],
)
TestModel = Model.TestCase
