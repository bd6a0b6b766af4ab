"""What should have been answered: a file, or plain data, and which question each entry is of."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctxmem.blaming.answers import contains, words
from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.input_files import BadLineError, decoded, json_lines, read_bytes

_QUESTIONS = ("question", "query", "input", "user_input", "prompt")
_ANSWERS = (
    *("answer", "answers", "expected", "expected_answer", "expected_output", "reference"),
    *("reference_answer", "ground_truth", "ground_truths", "gold"),
)
_EVIDENCE = ("evidence", "evidence_texts", "reference_contexts", "supporting_texts", "gold_context")
_EVIDENCE_IDS = ("evidence_ids", "evidence_id", "reference_context_ids", "supporting_ids")
_IDS = ("id", "trace", "trace_id", "place", "request_id", "custom_id", "query_id", "qid")
_HOLDERS = ("questions", "examples", "data", "rows", "expected")
_LEAST_INSIDE = 3  # words of a question that is looked for inside a message


@dataclass(slots=True)
class Expected:
    """What is known of one question.

    Attributes:
        question: as the file has it, "" if it gives an id only.
        answers: each of them is right.
        evidence: texts that an answer needs, all of them.
        evidence_ids: ids or sources of passages that an answer needs, all of them.
        id: of the trace or the record, "" if there is none.
        used: a recorded question was matched with it.
    """

    question: str
    answers: list[str]
    evidence: list[str]
    evidence_ids: list[str]
    id: str = ""
    used: bool = False


class ExpectedAnswers:
    """The entries of a file, found by id, by question, or inside a message."""

    def __init__(self, entries: Sequence[Expected]) -> None:
        self.entries = list(entries)
        self._by_id: dict[str, list[Expected]] = {}
        self._by_question: dict[tuple[str, ...], Expected] = {}
        self._by_id_alone: set[tuple[str, ...]] = set()
        for entry in self.entries:
            if entry.id:
                self._by_id.setdefault(entry.id, []).append(entry)
            key = words(entry.question)
            known = self._by_question.setdefault(key, entry) if key else entry
            if known is entry:
                continue
            if (entry.id or known.id) and set(entry.answers) != set(known.answers):
                self._by_id_alone.add(key)
            elif not entry.id:
                # The same question twice: any of the answers is right.
                known.answers += [one for one in entry.answers if one not in known.answers]
                entry.used = True
        self._beginning: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for key in sorted(self._by_question, key=len, reverse=True):
            if len(key) >= _LEAST_INSIDE:
                self._beginning.setdefault(key[:_LEAST_INSIDE], []).append(key)

    def find(
        self, ids: Sequence[str], question: str, message: str, session: str = ""
    ) -> Expected | None:
        """Return the entry of a recorded question, None if there is none.

        The longest question of the file that the user's message contains is the one that was asked.

        Raises:
            InputError: the file has several answers of the question, and no id says which.
        """
        found = self._of_ids(ids, question, message, session)
        if found is None:
            key = words(question)
            if key not in self._by_question:
                key = self._longest_in(words(message))
            if key in self._by_id_alone:
                raise InputError(
                    "the expected file has different answers of the question, each with an id, and "
                    "none is the id of the trace or the session, or a place such as log.jsonl:7"
                )
            found = self._by_question.get(key)
        if found is not None:
            found.used = True
        return found

    def _of_ids(
        self, ids: Sequence[str], question: str, message: str, session: str
    ) -> Expected | None:
        """Return the entry with one of the ids, before others the one that has the question.

        A session has many questions, so its id alone is not enough.
        """
        asked = words(question)
        named = [entry for one in (*ids, session) for entry in self._by_id.get(one, ())]
        for entry in named:
            if entry.question and (
                words(entry.question) == asked or contains(message, entry.question)
            ):
                return entry
        return next((entry for one in ids for entry in self._by_id.get(one, ())), None)

    def _longest_in(self, said: tuple[str, ...]) -> tuple[str, ...]:
        """Return the longest question whose words follow one another in a message, () if none."""
        longest: tuple[str, ...] = ()
        for at in range(len(said) - _LEAST_INSIDE + 1):
            for key in self._beginning.get(said[at : at + _LEAST_INSIDE], ()):
                if len(key) > len(longest) and said[at : at + len(key)] == key:
                    longest = key
        return longest

    @property
    def unmatched(self) -> list[str]:
        """The entries that no recorded question was found for."""
        return [entry.question or entry.id for entry in self.entries if not entry.used]


def read_expected(given: Any) -> ExpectedAnswers:
    """Read a path to JSONL, JSON or CSV, a list of dicts, or a dict from questions to answers.

    Raises:
        InputError: a file that cannot be read, or an entry without question, id or answer.
        InputTypeError: neither a path nor plain data.
    """
    rows = _rows_of_file(Path(given)) if isinstance(given, str | Path) else _rows(given, "expected")
    entries = [_entry(row, number) for number, row in enumerate(rows, start=1)]
    if not entries:
        raise InputError("expected holds no entry; give questions with their answers")
    return ExpectedAnswers(entries)


def _rows_of_file(path: Path) -> list[Any]:
    text = decoded(read_bytes(path, "a file"), path)
    if path.suffix.lower() in (".csv", ".tsv"):
        return _rows_of_table(text, str(path))
    try:
        return _rows(json.loads(text), str(path))
    except json.JSONDecodeError:
        pass
    except RecursionError:
        raise InputError(f"{path} is nested too deep; expected questions and answers") from None
    try:
        return json_lines(text)
    except BadLineError as bad:
        raise InputError(
            f"{path}, {bad}; expected JSON lines, JSON or a .csv file with the columns question "
            f"and answer"
        ) from None


_DELIMITERS = ",;\t|"
_LONGEST_CELL = 1 << 27  # characters; the csv module's own bound is 131,072


def _rows_of_table(text: str, name: str) -> list[Any]:
    """Return the rows of CSV as objects; spreadsheets separate cells as the country does.

    Raises:
        InputError: a row has more cells than the first, as where a comma is not quoted.
    """
    head = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    bound = csv.field_size_limit(_LONGEST_CELL)
    try:
        table = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{name} cannot be read as CSV ({error})") from None
    finally:
        csv.field_size_limit(bound)
    filled = [
        (number, row) for number, row in enumerate(table, start=1) if any(map(str.strip, row))
    ]
    if not filled:
        return []
    (_, columns), *rows = filled
    for number, row in rows:
        if any(cell.strip() for cell in row[len(columns) :]):
            raise InputError(
                f"{name}, row {number} has {len(row)} cells and the first row {len(columns)}; put "
                f"a cell that holds {delimiter!r} into quotes"
            )
    return [dict(zip(columns, row, strict=False)) for _, row in rows]


def _rows(given: Any, name: str) -> list[Any]:
    if isinstance(given, Mapping):
        for key in _HOLDERS:
            if isinstance(given.get(key), list):
                return list(given[key])
        if _first(given, (*_QUESTIONS, *_IDS)) is not None and _first(given, _ANSWERS) is not None:
            return [given]
        return [{"question": question, "answer": answer} for question, answer in given.items()]
    if isinstance(given, list | tuple):
        return list(given)
    raise InputTypeError(
        f"{name} is {a_type(given)}; expected a list of objects with question and answer, "
        f"or an object from questions to answers"
    )


def _entry(row: Any, number: int) -> Expected:
    if not isinstance(row, Mapping):
        raise InputError(f"entry {number} of expected is no object; give question and answer")
    row = {_plain_name(name): value for name, value in row.items()}
    has = ", ".join(map(repr, list(row)[:6])) or "nothing"
    question, name = _first(row, _QUESTIONS), _first(row, _IDS)
    answers = _texts(_first(row, _ANSWERS))
    evidence, ids = _texts(_first(row, _EVIDENCE)), _texts(_first(row, _EVIDENCE_IDS))
    if question is None and name is None:
        raise InputError(
            f"entry {number} of expected has neither a question nor an id; it has {has}; expected "
            f"one of {', '.join(_QUESTIONS)} or {', '.join(_IDS)}"
        )
    if not answers and not evidence and not ids:
        raise InputError(
            f"entry {number} of expected has no answer; it has {has}; expected one of "
            f"{', '.join(_ANSWERS)}"
        )
    return Expected(str(question or ""), answers, evidence, ids, "" if name is None else str(name))


def _plain_name(name: Any) -> str:
    """Return the name of a column as it is looked for: "Expected Answer" is expected_answer."""
    return "_".join(str(name).replace("-", " ").lower().split())


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _texts(value: Any) -> list[str]:
    """Return one text or several; cells of a CSV file may hold a JSON list."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, Mapping):  # SQuAD's answers
        value = value.get("text", value.get("value"))
    if value is None or value == "":
        return []
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts(one)]
    if isinstance(value, bool):
        return ["yes" if value else "no", str(value).lower()]
    return [str(value)]
