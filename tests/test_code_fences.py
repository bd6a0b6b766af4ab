"""A fence within a docstring is part of source code; in Markdown it opens and closes code."""

from __future__ import annotations

import pytest

import ctxmem
from ctxmem import Chunk, pack

DOCSTRING = '''import base64


class Auth:
    """
    Base class of authentication.

    To send a request, `yield` it:

    ```
    yield request
    ```

    The client resumes the generator with the response:

    ```
    response = yield request
    ```
    """

    def flow(self, request):
        yield request
'''
REST = """

class BasicAuth(Auth):
    def __init__(self, user, password):
        self.header = self.build_header(user, password)

    def build_header(self, user, password):
        pair = f"{user}:{password}".encode()
        return "Basic " + base64.b64encode(pair).decode()
"""
PROMPT = '''import json

PROMPT = """Answer with JSON:

```
{"answer": 1}
```

Nothing else."""


def ask(model, question):
    reply = model(PROMPT + question)
    return json.loads(reply.strip("`"))
'''
COMMENT = """/**
 Returns the total of a basket:

 ```
 total(basket)
 ```
 */
function total(basket) {
  let sum = 0;
  for (const item of basket) sum += item.price;
  return sum;
}
"""
SOURCES = {"auth.py": DOCSTRING + REST, "prompt.py": PROMPT, "total.js": COMMENT}
QUESTION = "How is the basic auth header built? How is the reply parsed? What is the total?"


def lines_added(text, source):
    """Return the lines with a fence that the source does not have."""
    given = {line.strip() for line in source.split("\n")}
    return [line for line in text.split("\n") if "```" in line and line.strip() not in given]


def check_fences(text, source):
    """No fence is added, and none that closes what was not opened, or the other way round."""
    assert lines_added(text, source) == []
    shown = [line.strip() for line in text.split("\n") if line.strip().startswith("```")]
    given = [line.strip() for line in source.split("\n") if line.strip().startswith("```")]
    assert len(shown) <= len(given)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("named", [True, False])
def test_no_fence_is_added_to_source_code(name, named):
    source = SOURCES[name]
    for budget in range(20, 261, 20):
        chunk = Chunk(source, source=name if named else None)
        check_fences(pack([chunk], budget, query=QUESTION).text, source)


def test_no_fence_is_added_to_a_part_of_a_file_of_code():
    half = DOCSTRING[DOCSTRING.index("    yield request\n    ```") :] + REST
    for budget in range(20, 261, 20):
        check_fences(pack([Chunk(half, source="auth.py")], budget, query=QUESTION).text, half)


def test_no_fence_is_added_to_what_code_returns(tmp_path):
    for name, source in SOURCES.items():
        (tmp_path / name).write_text(source)
    whole = "\n".join(SOURCES.values())
    chunks = ctxmem.code(tmp_path).chunks(QUESTION)
    for budget in (60, 120, 170, 200, 400):
        check_fences(pack(chunks, budget, query=QUESTION).text, whole)


def test_a_string_with_a_fence_is_shown_with_both_its_marks():
    for budget in range(20, 261, 20):
        text = pack([DOCSTRING + REST], budget, query="How do I send a request?").text
        assert text.count('"""') % 2 == 0


CODE = "\n".join(f"    step_{i}(value_{i})" for i in range(40))


@pytest.mark.parametrize(
    "before",
    [
        'Summarise this text:\n"""\nThe setup of the parser, as its author describes it.\n\n',
        "The setup of the parser.\n\n",
        "See all files in\n/* and the steps below:\n\n",
    ],
)
def test_code_that_is_cut_in_markdown_has_its_fences(before):
    after = '\n"""\n' if '"""' in before else "\nThat is all */\n"
    text = f"{before}```python\ndef setup():\n{CODE}\n```\n{after}"
    shown = pack([text], 60, query="What does step_20 do with value_20?").text
    assert "step_20" in shown
    assert shown.count("```") == 2 and "```python" in shown


def test_code_whose_fence_is_in_another_chunk_has_its_fences():
    text = f"def setup():\n{CODE}\n```\n\nThe parser is ready then, and its steps have run.\n"
    shown = pack([Chunk(text, source="guide.md")], 60, query="What does step_20 do?").text
    assert "step_20" in shown and shown.count("```") == 2


def test_code_that_was_saved_with_its_fence_is_cut_as_markdown():
    text = f"```python\ndef setup():\n{CODE}\n```\n"
    shown = pack([Chunk(text, source="setup.py")], 60, query="What does step_20 do?").text
    assert "step_20" in shown
    assert shown.startswith("```python") and shown.rstrip().endswith("```")
