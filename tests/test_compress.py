"""Extracts and compressors: whole spans byte for byte, nothing invented, few chunks shown."""

from __future__ import annotations

import pytest

from ctxmem import (
    Chunk,
    InputError,
    InputTypeError,
    Section,
    compress,
    dedup,
    intake,
    outline,
    pack,
    tokens,
    value,
)
from ctxmem.compress import untrue
from ctxmem.compress.alternatives import ASKED

FACTS = (
    "# Fees\n\nThe fee for storage is 30 euros a month. Trucks are washed on Sundays. "
    "Our founder liked the sea and sailed a lot. Payment of the storage fee is due in advance.\n"
)


def extracts(text, query="storage fee"):
    table = intake.read([text], alternatives=True)
    dedup.find_repeats(table)
    value.add_rank_fusion(table)
    dedup.group(table, True)
    outline.cut_segments(table)
    tokens.price_segments(table, tokens.resolve("o200k_base"))
    value.estimate(table, value.read_question(query))
    compress.add_alternatives(table, query=query, limit=1000, gap="\n<gap>\n")
    return table.texts[1:]


def test_extracts_are_whole_spans_byte_for_byte():
    sentences = ["# Fees", *(s.strip(" .") + "." for s in FACTS.split("\n\n")[1].split(". "))]
    sentences = [s.replace("\n", "").strip(".") for s in sentences]
    made = extracts(FACTS)
    assert made
    for extract in made:
        assert len(extract) < len(FACTS)
        for run in extract.split("\n<gap>\n"):
            assert run in FACTS
            assert any(run.startswith(s) for s in sentences)
            assert any(run.rstrip(".").endswith(s) for s in sentences)


def test_a_heading_comes_with_what_stands_below_it_and_never_alone():
    made = extracts(FACTS)
    assert made
    for extract in made:
        assert extract.startswith("# Fees\n")
        assert extract != "# Fees"


def test_extracts_of_a_chunk_larger_than_the_budget_fit_into_it():
    text = "# Fees\n\n" + " ".join(f"Row {i} of the hall was painted by hand." for i in range(400))
    window = pack([Chunk(text, section="s")], 60, query="row 7", sections=[Section("s")])
    assert 0 < window.tokens <= 60
    assert "as its extract of" in window.decisions[0].detail


def test_a_text_of_one_or_two_sentences_has_no_extracts():
    assert extracts("The fee is due. It is 30 euros.") == []


def long_chunks(count=6, words=40):
    return [
        Chunk(f"Storage number {i} holds " + " ".join(f"word{i}x{k}" for k in range(words)) + ".")
        for i in range(count)
    ]


def test_what_a_compressor_makes_competes_with_the_whole():
    def summary(text, query):
        assert query == "storage"
        return text[: text.index(" holds")]

    window = pack(long_chunks(), 30, query="storage", compress=summary)
    kept = [d for d in window.decisions if d.kept]
    assert kept
    assert all("as its summary of" in d.detail for d in kept)
    assert "Storage number" in window.text
    assert "holds" not in window.text


@pytest.mark.parametrize(
    "made",
    [
        lambda text: "It costs 99 euros.",  # a number that the chunk lacks
        lambda text: "30.5",
        lambda text: text + " and more",
        lambda text: text,
        lambda text: "  \n",
    ],
)
def test_what_is_invented_or_not_shorter_or_blank_is_refused(made):
    chunks = ["The fee of storage is 30 euros a month."]
    window = pack(chunks, 6, query="fee", compress=lambda text, query: made(text))
    assert window.text == ""
    whole = pack(chunks, 99, query="fee", compress=lambda text, query: made(text))
    assert whole.text == chunks[0]


def test_a_refusal_is_told_in_the_decision():
    chunks = ["The fee of storage is 30 euros a month.", "The fee of a key is 5 euros a year."]

    def summary(text, query):
        return text.replace("The fee of ", "Fee ").replace("30", "99")

    first, second = pack(chunks, 99, query="fee", compress=summary).decisions
    assert first.detail.endswith(
        "its summary was refused: it has the number 99, which the text lacks"
    )
    assert "refused" not in second.detail


CLAUSE = (
    'The tenant shall not sublet the flat. The deposit, "a sum of two rents", is due at once; '
    "the landlord doesn't keep it. No pets."
)


@pytest.mark.parametrize(
    ("shorter", "wrong"),
    [
        ("Tenant shall sublet the flat.", "it says 'sublet', which the text only denies"),
        ("The landlord keeps it. Pets.", "it says 'pets', which the text only denies"),
        ("The deposit is not due at once.", "it denies 'due', which the text says"),
        ('The deposit, "a sum of three rents".', "it quotes 'a sum of three rents', which"),
        ("“the landlord keeps it”", "it quotes 'the landlord keeps it', which"),
        ("Deposit of 2 rents", "it has the number 2, which the text lacks"),
    ],
)
def test_what_the_text_does_not_bear_out_is_named(shorter, wrong):
    assert untrue(CLAUSE, shorter).startswith(wrong)


@pytest.mark.parametrize(
    "shorter",
    [
        CLAUSE,
        "Tenant not sublet flat. Deposit due at once.",
        "The tenant may never sublet.",
        'Deposit: "a sum of  two rents".',
        "The deposit is due; it isn't kept by the landlord. No pets.",
        "Subletting is forbidden.",
        "",
    ],
)
def test_what_is_true_to_the_text_is_left_alone(shorter):
    assert untrue(CLAUSE, shorter) is None


class Lingua:
    """As LLMLingua's PromptCompressor answers."""

    def __init__(self, answer):
        self.answer = answer

    def compress_prompt(self, context, question="", **options):
        assert question == "storage"
        assert isinstance(context, list)
        return self.answer(context[0])


def test_an_object_like_llmlingua_compresses():
    model = Lingua(lambda text: {"compressed_prompt": text[:16], "ratio": "9x"})
    window = pack(long_chunks(), 30, query="storage", compress=model)
    assert "as its Lingua of" in next(d for d in window.decisions if d.kept).detail


@pytest.mark.parametrize("answer", [None, {}, {"compressed_prompt": None}, 3])
def test_an_object_that_answers_something_else_is_told(answer):
    with pytest.raises(InputTypeError, match=r"Lingua.compress_prompt returned .* expected a dict"):
        pack(long_chunks(), 30, query="storage", compress=Lingua(lambda text: answer))


def test_a_word_that_is_no_way_to_compress_is_named():
    with pytest.raises(InputError, match="compress is 'x'; expected True, False, 'blocks'"):
        pack(["a b"], 10, compress="x")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "compress has a NoneType"),
        (Lingua, "compress has the class Lingua; expected an instance"),
        (lambda text, query: None, "a compressor returned a NoneType for chunk"),
    ],
)
def test_bad_compressors_are_named(given, message):
    with pytest.raises(InputTypeError, match=message):
        pack(long_chunks(), 30, query="storage", compress=given)


def test_only_the_best_chunks_are_shown_to_a_compressor():
    shown = []

    def summary(text, query):
        shown.append(text)
        return text[:20]

    chunks = [Chunk(c.text, score=1.0 - k / 100) for k, c in enumerate(long_chunks(100))]
    pack(chunks, 60, query="nothing of it", compress=summary)
    assert shown[0] == chunks[0].text
    assert 1 <= len(shown) <= 1 + ASKED * 4 * 60 / min(len(c.text) for c in chunks)


def test_what_is_pinned_stays_whole():
    chunks = [Chunk(FACTS, pinned=True), *long_chunks()]
    window = pack(chunks, 200, query="storage", compress=lambda text, query: text[:9])
    assert FACTS.strip() in window.text


def test_an_extract_says_where_it_comes_from_byte_for_byte():
    chunks = [Chunk(FACTS, source="fees.md", section="s"), Chunk("Ships sail.", section="s")]
    window = pack(
        chunks, 40, query="storage fee", header="[{source}]", sections=[Section("s", header="S")]
    )
    (mine,) = [p for p in window.pieces if p.source == "fees.md"]
    parts = [FACTS[start:end] for name, start, end in mine.origins]
    assert len(parts) >= 2
    assert mine.text == "\n…\n".join(parts)
    assert window.text.count("[fees.md]") == 1
    assert "as its extract of" in window.decisions[0].detail
