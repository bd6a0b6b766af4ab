"""The outline of code: blocks with their fences, and statements."""

from __future__ import annotations

import pytest
from outlines import (
    CODE_FILE,
    LEAD_IN,
    UNCLOSED,
    UNOPENED,
    broken_laws,
    flagged,
    outline,
    spans,
    texts,
    tied,
    units,
)

from ctxmem import Chunk, pack

# Fences, literal blocks and directives


def test_fences_are_shown_with_their_code_and_the_line_that_introduces_it():
    text = "To open it, run:\n\n```sh\ngate open \\\n    --wait\n```\n\nIt opens."
    assert [
        ("prose", "To open it, run:", None),
        ("fence", "```sh", "To open it, run:"),
        ("code", "gate open \\\n    --wait", "```sh"),
        ("fence", "```", "```sh"),
        ("prose", "It opens.", None),
    ] == units(text)
    assert {"```sh": "```"} == tied(text)


def test_a_literal_block_needs_the_paragraph_that_announces_it():
    text = "Open the gate as follows::\n\n    open it\n      slowly\n\nIt opens."
    assert [
        ("prose", "Open the gate as follows::", None),
        ("code", "open it\n      slowly", "Open the gate as follows::"),
        ("prose", "It opens.", None),
    ] == units(text)


def test_a_literal_block_that_is_announced_with_a_role_is_code():
    text = "Use :func:`open_gate` as follows::\n\n    gate = open_gate(3)\n"
    assert [
        ("prose", "Use :func:`open_gate` as follows::", None),
        ("code", "gate = open_gate(3)", "Use :func:`open_gate` as follows::"),
    ] == units(text)


def test_code_of_a_directive_needs_the_directive():
    text = "Then:\n\n.. code-block:: python\n   :linenos:\n\n   close_gate(1)\n\nIt closes.\n"
    assert [
        ("prose", "Then:", None),
        ("fence", ".. code-block:: python", "Then:"),
        ("other", ":linenos:", ".. code-block:: python"),
        ("code", "close_gate(1)", ".. code-block:: python"),
        ("prose", "It closes.", None),
    ] == units(text)


def test_indented_code_needs_the_line_that_introduces_it():
    text = "Open the gate now\n\n    gate = open_gate(3)\n    gate.wait()\n\nIt opens."
    assert [
        ("prose", "Open the gate now", None),
        ("code", "gate = open_gate(3)\n    gate.wait()", None),
        ("prose", "It opens.", None),
    ] == units(text)
    for lead in ("Open the gate like this:", "Open the gate with", "If you are lazy, just run"):
        assert lead == units(text.replace("Open the gate now", lead))[1][2]


def test_a_sentence_that_breaks_off_before_a_literal_introduces_it():
    text = "You can run the tests with\n\n `$ python tests.py -v`\n\nIt takes a minute."
    assert [
        ("prose", "You can run the tests with", None),
        ("prose", "`$ python tests.py -v`", "You can run the tests with"),
        ("prose", "It takes a minute.", None),
    ] == units(text)
    assert ["You can run the tests with"] == flagged(text, LEAD_IN)
    assert [] == flagged(text.replace("`$ python tests.py -v`", "a stick"), LEAD_IN)


def test_a_session_of_python_is_one_unit_with_its_output():
    text = "Pumps have names:\n\n>>> pump = Pump()\n>>> pump.name\n'north'\n\nThey are short."
    session = ">>> pump = Pump()\n>>> pump.name\n'north'"
    assert [
        ("prose", "Pumps have names:", None),
        ("code", session, "Pumps have names:"),
        ("prose", "They are short.", None),
    ] == units(text)


def test_code_between_fences_is_one_unit_where_it_fits():
    lines = [f"x{i} = f({i})" for i in range(200)]
    whole = "\n".join(lines[:100])
    assert [("fence", "```"), ("code", whole), ("fence", "```")] == spans(f"```\n{whole}\n```")
    pieces = texts("```\n" + "\n".join(lines) + "\n```")[1:-1]
    assert lines == [line for piece in pieces for line in piece.split("\n")]
    assert max(map(len, pieces)) <= 1600


def test_blank_lines_below_a_signature_are_no_unit():
    found = texts("```\nx:" + "\n     " * 2000 + "y\n```")
    assert ["```", "x:", "y", "```"] == found


def test_a_piece_may_begin_inside_of_fenced_code():
    text = (
        "    return x + 1\n\ndef g():\n    pass\n```\n\n## More\n\nText below the code is here.\n"
    )
    code = "return x + 1\n\ndef g():\n    pass"
    assert [
        ("other", "", None),
        ("code", code, None),
        ("fence", "```", code),
        ("heading", "## More", None),
        ("prose", "Text below the code is here.", "## More"),
    ] == units(text)
    assert [code] == flagged(text, UNOPENED)
    assert {code: "```"} == tied(text)


def test_a_piece_may_end_inside_of_fenced_code():
    text = "Run:\n\n```sh\ngate open\ngate close"
    assert [
        ("prose", "Run:", None),
        ("fence", "```sh", "Run:"),
        ("code", "gate open\ngate close", "```sh"),
    ] == units(text)
    assert ["gate open\ngate close"] == flagged(text, UNCLOSED)


# Statements


CODE = {
    "python": [
        "import os\nimport sys",
        "# greets\n@cached\ndef main(args):\n    for a in args:\n        print(a)\n\n    return 0",
        "class A:\n    x: int = 1",
        "main(sys.argv)",
    ],
    "c": [
        "#include <stdio.h>",
        'int main()\n{\n    if (a == 1) {\n        printf("hi. You");\n    }\n\n    return 0;\n}',
    ],
    "javascript": [
        "const a = 1;\nfunction foo(x) {\n  return x + a;\n}",
        "foo(3).then((r) => {\n  console.log(r);\n});",
    ],
}


@pytest.mark.parametrize("language", CODE)
def test_code_without_fences_is_cut_into_statement_blocks(language):
    text = "\n\n".join(["This is how it works.", *CODE[language], "That was all. Thanks."])
    assert [
        ("prose", "This is how it works."),
        *(("code", block) for block in CODE[language]),
        ("prose", "That was all."),
        ("prose", "Thanks."),
    ] == spans(text)


def test_a_dedent_to_the_first_line_begins_a_block_unless_it_closes_one():
    text = "def f(x):\n    return g(x)\ndef g(x):\n    return x\ntry:\n    f(1)\nexcept:\n    f(2)"
    assert [
        "def f(x):\n    return g(x)",
        "def g(x):\n    return x",
        "try:\n    f(1)\nexcept:\n    f(2)",
    ] == texts(text)


def test_a_long_function_is_cut_into_statements_that_need_its_signature():
    body = [f"    if x == {i}:\n        return {'f' * 60}({i})" for i in range(40)]
    text = "def choose(x):\n" + "\n".join(body)
    signature, *rest = units(text, CODE_FILE)
    assert ("code", "def choose(x):", None) == signature
    assert [("code", group.strip(), "def choose(x):") for group in body] == rest


def test_a_file_of_code_is_cut_into_its_statements():
    text = """import time

# Metres.
LEVEL = 3.0


class Pump:
    name = "north"

    def start(self):
        return True


if LEVEL:
    Pump().start()
else:
    time.sleep(1)
"""
    assert [
        ("code", "import time", None),
        ("code", "# Metres.\nLEVEL = 3.0", None),
        (
            "code",
            'class Pump:\n    name = "north"\n\n    def start(self):\n        return True',
            None,
        ),
        ("code", "if LEVEL:\n    Pump().start()\nelse:\n    time.sleep(1)", None),
    ] == units(text, CODE_FILE)


def test_code_that_tabs_indent_is_cut_into_statements():
    text = (
        "func (p *Pump) Start(level float64) error {\n"
        "\tif level < 3.0 {\n\t\treturn fmt.Errorf(p.Name)\n\t}\n"
        "\tp.Running = true\n\treturn nil\n}\n\n"
        "func (p *Pump) Stop() {\n\tp.Running = false\n}\n"
    )
    start = "func (p *Pump) Start(level float64) error {"
    for form in (0, CODE_FILE):
        assert [
            ("code", start, None),
            ("code", "if level < 3.0 {\n\t\treturn fmt.Errorf(p.Name)\n\t}", start),
            ("code", "p.Running = true\n\treturn nil\n}", start),
            ("code", "func (p *Pump) Stop() {\n\tp.Running = false\n}", None),
        ] == units(text, form, room=64)


SESSION = """    $ pyenv global 2.7.6 3.3.3
    $ pyenv versions
      system
    * 2.7.6 (set by /home/x)
    - 3.3.3 (set by /home/x)
    # python --version
    Python 2.7.6"""


@pytest.mark.parametrize("lead", ["Set it:", "Set it, or, to have several versions,"])
def test_lines_with_marks_of_items_in_indented_code_are_code(lead):
    assert [
        ("prose", lead, None),
        ("code", SESSION.lstrip(), lead),
        ("prose", "Then go on.", None),
    ] == units(f"{lead}\n\n{SESSION}\n\nThen go on.\n")


def test_an_indented_list_is_no_code():
    text = "These are free:\n\n    * children\n    * dogs\n\nOr:\n\n- this\n\n    - that\n"
    assert ["prose", "list_item", "list_item", "prose", "list_item", "list_item"] == [
        kind for kind, _ in spans(text)
    ]


# Blocks and strings that are cut

WAIT = """def wait(pump, block, limit):
    \"\"\"Wait until the pump is free.

    It raises Full if the pump is not free within the limit, or at once if it does not block.
    \"\"\"
    if not block:
        if pump.size() >= pump.most:
            raise Full("the pump is in use, and the caller does not wait")
    elif limit < 0:
        raise ValueError("the limit must not be negative, but it is")
    else:
        end = time() + limit
        while pump.size() >= pump.most:
            left = end - time()
            if left <= 0.0:
                raise Full("the pump is in use at the end of the limit")
            pump.wait(left)
    pump.take()
"""


def owners(text, part, room):
    """Return the last lines of the units that a unit of code needs, the nearest first."""
    needs = {said: need for _, said, need in units(text, CODE_FILE, room=room)}
    said = next(said for said in needs if part in said)
    chain = []
    while needs[said] is not None:
        said = needs[said]
        chain.append(said.splitlines()[-1].strip())
    return chain


def test_a_statement_needs_the_openers_of_all_blocks_around_it():
    signature = "def wait(pump, block, limit):"
    clauses = ["elif limit < 0:", "if not block:", signature]
    assert ["while pump.size() >= pump.most:", "else:", *clauses] == owners(
        WAIT, "left <= 0.0", 110
    )
    assert clauses == owners(WAIT, "raise ValueError", 110)
    assert [signature] == owners(WAIT, "pump.take()", 110)


def test_a_piece_that_begins_inside_a_block_has_the_clauses_below_it():
    text = WAIT[WAIT.index("            raise Full") :]
    assert ["while pump.size() >= pump.most:", "else:", "elif limit < 0:"] == owners(
        text, "left <= 0.0", 110
    )


@pytest.mark.parametrize("room", [64, 110, 200, 400])
@pytest.mark.parametrize(
    ("text", "mark"),
    [(WAIT, '"""'), ("/* One.\n\n   Two is longer than one.\n */\nrun(1);\n", "*/")],
)
def test_the_marks_of_a_string_or_a_comment_stay_together(text, mark, room):
    assert [] == broken_laws(text, CODE_FILE, room=room)
    for said in {said for _, said, _ in units(text, CODE_FILE, room=room)}:
        opens = said.startswith('"""') and said != '"""' and said.count('"""') == 1
        if opens or (said.startswith("/*") and "*/" not in said):
            assert mark in tied_in(text, room)[said]


def tied_in(text, room):
    """Return {text: text of the unit shown with it} of the units that are tied to another."""
    start, end, _, _, _, also, _ = outline(text, CODE_FILE, room=room)
    said = [text[a:b].strip() for a, b in zip(start, end, strict=True)]
    return {here: said[other] for here, other in zip(said, also, strict=True) if other >= 0}


@pytest.mark.parametrize("budget", range(20, 200, 10))
def test_a_string_is_never_shown_with_one_of_its_marks(budget):
    shown = pack([Chunk(WAIT, source="pump.py")], budget, query="When is Full raised?").text
    assert 0 == shown.count('"""') % 2
