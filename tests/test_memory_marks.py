"""What the window shows for text that left: which lines, which pages, and how they are read."""

from __future__ import annotations

import asyncio

import pytest

from ctxmem import AsyncMemory, Memory


def source(k: int) -> str:
    body = "\n\n".join(f"def f{k}_{j}(x):\n    return x + {j * k}" for j in range(25))
    return f"# file f{k}.py\n{body}"


def exchange(k: int) -> list[dict]:
    arguments = f'{{"path": "f{k}.py"}}'
    function = {"name": "read", "arguments": arguments}
    call = {"id": f"c{k}", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"c{k}", "content": source(k)},
        {"role": "assistant", "content": f"File {k} has functions."},
        {"role": "user", "content": f"And file {k + 1}?"},
    ]


def texts(window) -> list[str]:
    return [str(message["content"]) for message in window.messages]


def session(*, tool: bool, calls: int = 40):
    """Yield the text of each window of a session that reads files."""
    memory = Memory(1_500)
    if tool:
        memory.tool()
    memory.append({"role": "user", "content": "Read the files."})
    for k in range(calls):
        for message in exchange(k):
            memory.append(message)
            if message["role"] != "assistant":
                yield memory, memory.window()


@pytest.mark.parametrize("tool", [True, False])
def test_the_tool_is_named_only_where_it_was_asked_for(tool):
    shown = "\n".join("\n".join(texts(window)) for _, window in session(tool=tool))
    assert "stored" in shown
    assert ("recall reads a page" in shown) is tool
    assert ("recall reads it" in shown) is tool


def test_an_index_says_that_the_pages_before_it_are_stored_too():
    seen = set()
    for memory, window in session(tool=False):
        visible = set(window.shown)
        left = [page for page in memory.pages() if page.message not in visible]
        indexes = [text for text in texts(window) if text.startswith("[memory]")]
        if not left or not indexes:
            continue
        named = [
            text.split("p0-p")[1].split(" ")[0].split(".")[0] for text in indexes if "p0-p" in text
        ]
        first = left[0].id
        seen.add(bool(named))
        assert named or any(f"({first}" in text for text in indexes), (first, indexes)
    assert seen == {True, False}  # a first index has nothing before it


def test_an_outline_says_which_lines_of_how_many_it_shows():
    outlines = [
        text
        for _, window in session(tool=False)
        for text in texts(window)
        if "tokens, stored; line" in text
    ]
    assert outlines
    for text in outlines:
        head, *lines = text.split("\n")
        numbers, _, total = head.split("; line")[1].lstrip("s ").partition(" of ")
        k = int(lines[0].removeprefix("# file f").removesuffix(".py"))
        whole = source(k).split("\n")
        assert int(total.split("]")[0]) == len(whole)
        for number, line in zip(map(int, numbers.split(", ")), lines, strict=True):
            assert line.split(" (")[0] == whole[number - 1].strip()


def test_the_tool_of_a_memory_that_opens_later_is_named():
    async def shown() -> str:
        memory = AsyncMemory(400)
        memory.tool("anthropic")  # before it is opened
        async with memory:
            for k in range(12):
                await memory.append({"role": "user", "content": f"Tell me of river {k}. " * 6})
                await memory.append({"role": "assistant", "content": "It flows to the sea. " * 6})
                window = await memory.window()
            return "\n".join(texts(window))

    assert "recall reads a page" in asyncio.run(shown())
