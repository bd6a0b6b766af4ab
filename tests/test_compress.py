"""Compressors: nothing invented, few chunks shown."""

from __future__ import annotations

import pytest

from ctxmem import Chunk, InputError, InputTypeError, pack
from ctxmem.compress import untrue
from ctxmem.compress.alternatives import ASKED

FACTS = (
    "# Fees\n\nThe fee for storage is 30 euros a month. Trucks are washed on Sundays. "
    "Our founder liked the sea and sailed a lot. Payment of the storage fee is due in advance.\n"
)


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
