"""Questions that ask what something is, and the sentences that say it."""

from __future__ import annotations

import pytest

from ctxmem import Chunk, intake, pack, tokens, value
from ctxmem.dedup import find_repeats
from ctxmem.outline import cut_segments

README = """# pgbouncer

[![Build](https://example.org/pgbouncer/badge.svg)](https://example.org/pgbouncer/builds)

Version 1.22 of pgbouncer needs libevent.

pgbouncer is a connection pooler for PostgreSQL.

## Links

- pgbouncer source: https://example.org/pgbouncer
- pgbouncer bugs: https://example.org/pgbouncer/issues
- pgbouncer news: https://example.org/pgbouncer/news

pgbouncer is released under the ISC licence.
"""


def found(texts, query):
    """Return {sentence: certainty} of the definitions in documents of their own."""
    texts = [texts] if isinstance(texts, str) else texts
    query, *variants = [query] if isinstance(query, str) else query
    table = intake.read([Chunk(text, source=f"{i}.md") for i, text in enumerate(texts)])
    find_repeats(table)
    value.add_rank_fusion(table)
    cut_segments(table)
    tokens.price_segments(table, tokens.resolve("o200k_base"))
    certainty = value.spans.describe(table, value.read_question(query, variants)).definitions()
    said = table.segment_texts[: len(certainty)]
    return {text: float(c) for text, c in zip(said, certainty, strict=True) if c > 0}


ANSWERS = {
    "English": ("What is pgbouncer?", "pgbouncer is a connection pooler for PostgreSQL."),
    "English, what it does": ("What does pgbouncer do?", "pgbouncer pools connections to servers."),
    "English, a person": ("Who was Ada Lovelace?", "Ada Lovelace was an English mathematician."),
    "English, several words": (
        "What is the capital of France?",
        "The capital of France is Paris, as every child knows.",
    ),
    "English, inflected": ("What are decorators?", "A decorator is a function that wraps another."),
    "English, with a point": ("What is Node.js?", "Node.js is a runtime for JavaScript."),
    "English, in a text": (
        "I am new here. Could you help? What is pgbouncer used for?",
        "**pgbouncer** is used to share connections.",
    ),
    "German": ("Was ist ein Puffer?", "Ein Puffer ist ein Speicher für Daten."),
    "French": ("Qu'est-ce que le bail ?", "Le bail est un contrat de louage."),
    "Spanish": ("¿Qué es un índice?", "Un índice es una lista de palabras."),
    "Italian": ("Che cos'è il mutuo?", "Il mutuo è un contratto di prestito."),
    "Portuguese": ("O que é um índice?", "Um índice é uma lista de palavras."),
    "Dutch": ("Wat is een buffer?", "Een buffer is een geheugen voor gegevens."),
    "Polish": ("Czym jest bufor?", "Bufor jest pamięcią na dane."),
    "Swedish": ("Vad är PostgreSQL?", "PostgreSQL är en databas för alla."),
    "Russian": ("Что такое буфер?", "Буфер — это память для данных."),
    "Arabic": ("ما هو المؤشر؟", "المؤشر هو قائمة من الكلمات."),
    "Chinese": ("什么是缓冲区?", "缓冲区是存放数据的内存。"),
    "Japanese": ("バッファとは何ですか?", "バッファはデータを置くメモリです。"),
    "Danish": ("Hvad er en buffer?", "En buffer er et lager til data."),
    "Norwegian": ("Hva er en buffer?", "En buffer er et lager for data."),
    "Finnish": ("Mikä on puskuri?", "Puskuri on muisti tiedoille."),
    "Ukrainian": ("Що таке масив?", "Масив — це впорядкований набір даних."),
    "Hindi": ("पायथन क्या है?", "पायथन एक लोकप्रिय भाषा है।"),
    "Turkish": ("Tampon nedir?", "Tampon verileri saklayan bir bellektir."),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_sentence_that_defines_the_subject_is_found(case):
    query, answer = ANSWERS[case]
    others = [text for name, (_, text) in ANSWERS.items() if name[:2] != case[:2]]
    texts = found("\n\n".join([*others[:4], answer, *others[4:]]), query)
    assert list(texts) == [answer]


@pytest.mark.parametrize(
    "query",
    [
        "Is pgbouncer thread-safe?",
        "How do I install pgbouncer?",
        "Which licence has pgbouncer?",
        "pgbouncer",
        "What is the licence of pgbouncer?",
        "what is",
        "What is the?",
        "What is " + "pgbouncer " * 40,
    ],
)
def test_other_questions_ask_for_no_definition(query):
    assert found(README, query) == {}


def test_the_first_of_each_document_counts():
    assert found([README, "Intro.\n\npgbouncer was written at Skype."], "What is pgbouncer?") == {
        "pgbouncer is a connection pooler for PostgreSQL.": 1.0,
        "pgbouncer was written at Skype.": 1.0,
    }


def test_without_a_verb_the_first_that_begins_with_the_subject_is_likely():
    text = "News.\n\npgbouncer pools connections to PostgreSQL.\n\npgbouncer needs libevent 2."
    assert list(found(text, "What is pgbouncer?")) == ["pgbouncer pools connections to PostgreSQL."]
    later = text + "\n\npgbouncer is free software."
    assert found(later, "What is pgbouncer?") == pytest.approx(
        {"pgbouncer pools connections to PostgreSQL.": 0.6, "pgbouncer is free software.": 1.0}
    )


def test_below_a_heading_that_is_the_subject_the_first_sentence_is_likely():
    text = "# News\n\nNothing.\n\n## The connection pool\n\nClients share what is open. It is fast."
    assert found(text, "What is a connection pool?") == pytest.approx(
        {"Clients share what is open.": 0.6}
    )


def test_of_lists_only_what_defines_counts():
    text = "Terms:\n\n- A lease is a contract between two parties.\n- Lease forms are below.\n"
    assert list(found(text, "What is a lease?")) == ["- A lease is a contract between two parties."]


def test_variants_of_the_query_are_read_too():
    text = "News.\n\nRedis is a store of keys.\n\npgbouncer is a pooler of connections."
    assert set(found(text, ["What is Redis?", "Explain pgbouncer"])) == {
        "Redis is a store of keys.",
        "pgbouncer is a pooler of connections.",
    }


@pytest.mark.parametrize("budget", [40, 60, 100])
def test_a_small_window_has_the_definition(budget):
    window = pack([README], budget, query="What is pgbouncer?")
    assert "pgbouncer is a connection pooler for PostgreSQL." in window.text


def test_a_scorer_has_the_last_word():
    def scorer(query, texts):
        return [float("licence" in text) for text in texts]

    window = pack([README], 30, query="What is pgbouncer?", scorer=scorer, calls=20)
    assert "ISC licence" in window.text
