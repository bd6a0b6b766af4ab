"""Estimates of tokens where a vocabulary is not at hand, which learn from reported usage.

Before any observation an estimate leans on the safe side. Of families whose tokenizers are known,
no more than one window of 1,000 tokens in two hundred is meant to have more tokens than were
counted; of tokenizers that were never seen nothing is certain. docs/counting.md has what was
measured, by kind of text, and `ctxmem bench estimates` measures it. `observe` makes counts tighter.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ctxmem import _native
from ctxmem.errors import InputError, InputTypeError, VocabularyError
from ctxmem.forking import ForkSafeLock
from ctxmem.tokens import calibration as learning
from ctxmem.tokens.calibration import KINDS, Floats, Observed, Prior, State
from ctxmem.tokens.counters import Made
from ctxmem.tokens.observing import checked_tokens, read_request

_WEIGHTS = Path(__file__).parent.parent / "weights" / "estimate-1.json"
_BATCH = 2048  # texts whose amounts are held at once: 3 MB
_LARGEST_FILE = 1 << 20

# Families by the beginning of a model's name, the first that fits. What is not here is "unknown".
_FAMILIES = (
    ("gemini", r"gemini|gemma"),
    ("llama_3", r"(meta-)?llama-?3"),
    ("llama_2", r"(meta-)?llama-?2|codellama"),
    ("qwen", r"qwen|qwq"),
    ("deepseek", r"deepseek"),
    ("mistral_v3", r"mixtral|open-mi[sx]tral-[78]|mistral-(7b|8x|large-24|tiny)|codestral-22b"),
    ("mistral_tekken", r"(open-)?mistral-nemo|ministral|pixtral-12b|devstral|magistral"),
    ("mistral", r"(open-)?mistral|codestral|pixtral|voxtral"),
    ("estimate", r"estimate$"),
)


_AT_LEAST_O200K = ("estimate", "unknown")


class Estimate(Made):
    """An estimate for one model or family: an upper bound that few texts exceed.

    Counts change when `observe` is called, for everybody who uses the same object. Safe from any
    number of threads: a count sees the state before or after an observation, never between.

    >>> estimate = Estimate("claude-sonnet-4-5")
    >>> before = estimate.count("The museum opens at nine. " * 40)
    >>> for _ in range(5):
    ...     more = estimate.observe("The museum opens at nine. " * 40, 262)
    >>> 262 <= estimate.count("The museum opens at nine. " * 40) < before
    True
    """

    exact = False
    additive = False

    def __init__(self, name: str, *, calibration: object = None) -> None:
        """Make the estimate of a model; `calibration` as `from_calibration` takes it."""
        self.name = name
        self._prior = _priors()[family_of(name)]
        self._lock = ForkSafeLock()
        self._state: State = learning.initial(self._prior)
        if calibration is not None:
            self._state = learning.from_dict(self._prior, _read_calibration(calibration))

    @classmethod
    def from_calibration(cls, name: str, calibration: object) -> Estimate:
        """Return an estimate that has learned what another one had.

        `calibration` is the dict that `calibration` returned, or the path of a JSON file with it.

        Raises `InputError` if it is damaged, of another version or of another family.
        """
        if calibration is None:
            raise InputTypeError("calibration is None; give a dict or the path of a JSON file")
        return cls(name, calibration=calibration)

    @property
    def family(self) -> str:
        """The family of tokenizers whose prior is used."""
        return self._prior.family

    @property
    def observations(self) -> int:
        """How many observations were learned from; changes whenever counts may have."""
        return self._state.observations

    @property
    def calibration(self) -> dict[str, Any]:
        """What was learned, as plain data that JSON keeps exactly; at most 40 kB."""
        return learning.to_dict(self._prior, self._state)

    def margins(self) -> dict[str, float]:
        """Return by kind of text how many times the expected tokens are counted.

        Before observations that is the margin; after them, the learned ratio and its margin.
        """
        found = learning.margins(self._prior, self._state)
        return dict(zip(KINDS, np.round(found, 4).tolist(), strict=True))

    def copy(self) -> Estimate:
        """Return an estimate that has learned the same and learns on by itself."""
        made = Estimate(self.name)
        made._state = self._state
        return made

    def count(self, text: str) -> int:
        """Return an upper bound of the tokens of a text."""
        return self.count_many([text])[0]

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return an upper bound of the tokens of each text."""
        texts = texts if isinstance(texts, list) else list(texts)
        state = self._state
        counts: list[int] = []
        for start in range(0, len(texts), _BATCH):
            counts += self._count(texts[start : start + _BATCH], state)
        return counts

    def observe(self, sent: object, tokens: int) -> int:
        """Learn from the input tokens that a provider reported for exactly what was sent.

        `sent` is a text, a list of texts or messages, or the whole request as a dict with system
        prompt and tools. A text is taken to have nothing added; requests and messages have an
        overhead, which is learned apart from the tokens of their texts. Returns how many tokens
        more were reported than would have been counted before (for messages, with the overhead
        expected so far); below zero where the count was above.

        A report that cannot be of this text is refused, and nothing is learned from it: four times
        above or below what is expected, or after five observations, eight standard deviations
        above. A report far below is believed in part.

        Raises `InputTypeError` and `InputError` for what cannot be read, media, tokens that are no
        int above zero, and reports that are refused.
        """
        request = read_request(sent)
        count = checked_tokens(tokens)
        expected = np.zeros(len(KINDS) + len(learning.OVERHEADS))
        for start in range(0, len(request.texts), _BATCH):
            of_texts = self._expected(request.texts[start : start + _BATCH])
            expected[: len(KINDS)] += of_texts.sum(axis=0)
        expected[len(KINDS) :] = request.requests, request.messages
        size = sum(_bytes_of(text) for text in request.texts)
        with self._lock:
            state = self._state
            before = learning.bounds(self._prior, state, expected[None, : len(KINDS)])[0]
            before += float(expected[len(KINDS) :] @ state.mean[len(KINDS) :])
            self._state = learning.update(self._prior, state, Observed(expected, size, count))
        return count - int(np.ceil(before))

    def _expected(self, texts: list[str]) -> Floats:
        amounts = _native.text_amounts(*_natives(), texts)
        made: Floats = np.einsum("nka,ka->nk", amounts, self._prior.weights)
        return made

    def _count(self, texts: list[str], state: State) -> list[int]:
        amounts = _native.text_amounts(*_natives(), texts)
        expected = np.einsum("nka,ka->nk", amounts, self._prior.weights)
        found = np.ceil(learning.bounds(self._prior, state, expected) - 1e-9)
        if self._prior.family in _AT_LEAST_O200K and state.observations == 0:
            found = np.maximum(found, amounts[:, :, 0].sum(axis=1))
        if self._prior.at_most_bytes and not state.above_bytes:
            found = np.minimum(found, [_bytes_of(text) for text in texts])
        counts: list[int] = found.astype(np.int64).tolist()
        return counts


def family_of(name: str) -> str:
    """Return the family of tokenizers that the model of this name has, or "unknown"."""
    model = model_part(name)
    if model.startswith("claude"):
        return _claude(model)
    return next((of for of, names in _FAMILIES if re.match(names, model)), "unknown")


def model_part(name: str) -> str:
    """Return the name of a model without what providers and routers put before it.

    >>> model_part("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    'claude-sonnet-4-5-20250929-v1:0'
    """
    model = name.lower().removesuffix(" (estimated)").removeprefix("ft:").rsplit("/", 1)[-1]
    return re.sub(r"^([a-z]+\.)+(?=[a-z])", "", model)


def _claude(model: str) -> str:
    """Return the family of a Claude model.

    Anthropic says that Opus 4.7 and later Opus models, and all of generation 5, have a newer
    tokenizer with about 30 % more tokens (platform.claude.com, Token counting, 2026). A model
    without a version is taken to be of the newest, which has most tokens.
    """
    found = re.search(r"(?<![\d.-])-?v?(\d)(?:[.-](\d{1,2}))?(?!\d)", model.removeprefix("claude"))
    if found is None:
        return "claude_4_7"
    version = int(found[1]), int(found[2] or 0)
    return "claude_4_7" if version >= (4, 7) else "claude_3" if version >= (3, 0) else "claude_2"


@functools.cache
def _priors() -> dict[str, Prior]:
    data = json.loads(_WEIGHTS.read_text(encoding="utf-8"))
    if tuple(data["kinds"]) != KINDS:
        raise VocabularyError(f"{_WEIGHTS.name} is not of this version; install ctxmem again")
    return {family: _prior(family, of) for family, of in data["families"].items()}


def _prior(family: str, of: dict[str, Any]) -> Prior:
    def array(name: str) -> Floats:
        return np.asarray(of[name], dtype=np.float64)

    return Prior(
        family,
        weights=array("weights"),
        mean=array("mean"),
        spread=array("spread"),
        ceiling=array("ceiling"),
        ceiling_noise=array("ceiling_noise"),
        noise=array("noise"),
        at_most_bytes=bool(of["at_most_bytes"]),
    )


def _natives() -> tuple[_native.Tokenizer, _native.Tokenizer]:
    """Return the exact counters of both encodings, which are loaded at the first estimate."""
    from ctxmem.tokens.counters import Native
    from ctxmem.tokens.names import resolve

    o200k, cl100k = resolve("o200k_base"), resolve("cl100k_base")
    if not isinstance(o200k, Native) or not isinstance(cl100k, Native):
        raise VocabularyError(
            "estimates need the vocabularies of o200k_base and cl100k_base, which come with the "
            "package; install ctxmem again"
        )
    return o200k.core, cl100k.core


def _bytes_of(text: str) -> int:
    """Return at least the bytes of a text; a lone surrogate counts as U+FFFD, which has three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _read_calibration(given: object) -> object:
    if not isinstance(given, (str, Path)):
        return given
    path = Path(given)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{path} is larger than any calibration")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the calibration in {path} cannot be read: {error}") from error
