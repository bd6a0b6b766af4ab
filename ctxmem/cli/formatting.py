"""How `--help` is printed: prose is wrapped, lines that begin with two spaces stay as they are."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from typing import NoReturn


class HelpFormatter(argparse.HelpFormatter):
    """Wraps the prose of a description and keeps its examples and lists line by line."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        made: list[str] = []
        prose: list[str] = []

        def wrap() -> None:
            if prose:
                made.append(textwrap.fill(" ".join(prose), width, break_on_hyphens=False))
                prose.clear()

        for line in text.splitlines():
            if line.startswith("  ") or not line:
                wrap()
                made.append(line)
            else:
                prose.append(line)
        wrap()
        return textwrap.indent("\n".join(made), indent)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where the options are explained."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and the message; usage has ten lines and more, which hide it."""
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help explains the options\n")


def with_examples(text: str, examples: Sequence[str]) -> str:
    """Return the text that ends a command's help, with examples behind it."""
    title = "example:" if len(examples) == 1 else "examples:"
    lines = "\n".join([title, "", *(f"  {example}" for example in examples)])
    return f"{text}\n\n{lines}" if text else lines
