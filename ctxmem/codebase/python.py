"""Symbols of Python files, by the standard library's parser."""

from __future__ import annotations

import ast
import warnings
from bisect import bisect_left
from collections.abc import Iterator

from ctxmem.codebase.symbols import SMALL_CLASS, Cutter, Import, Parsed

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
ATTEMPTS = 10


def parse_python(text: str) -> Parsed | None:
    """Return the symbols of a Python text, None if this Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in the strings of somebody else's code
            tree = _tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    cutter = _PythonCutter(text)
    # The parser counts form feeds as white space and not as line ends, as this package does.
    cutter.body(tree.body, 0, len(cutter.starts), -1)
    return Parsed(text, tuple(cutter.symbols), tuple(dict.fromkeys(_imports(tree))))


def _tree(text: str) -> ast.Module:
    """Parse a text, again where the parser was disturbed.

    CPython 3.11 before 3.11.8 raises SystemError if something else, a finaliser or another thread,
    parses while it builds a tree (python/cpython#106905).
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return ast.parse(text)
        except SystemError:
            continue
    return ast.parse(text)


class _PythonCutter(Cutter):
    def body(self, statements: list[ast.stmt], first: int, last: int, parent: int) -> None:
        """Add the lines `first` to `last`, exclusive, of a module or of the body of a class."""
        begin = first
        for node in _definitions(statements):
            start, end = self._extent(node, begin)
            if start < begin:
                continue  # on the last line of the definition before it: "def f(): ...; x = 1"
            self.add_lines(begin, start, parent=parent)
            self._define(node, start, end, parent)
            begin = end
        self.add_lines(begin, last, parent=parent)

    def _extent(self, node: Definition, begin: int) -> tuple[int, int]:
        """Return the lines of a definition, with its decorators and the comments above it."""
        start = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
        end = max(node.end_lineno or node.lineno, node.lineno)
        while start > begin and self.line(start - 1).lstrip().startswith("#"):
            start -= 1
        return start, end

    def _define(self, node: Definition, start: int, end: int, parent: int) -> None:
        body = node.body[0]
        # The signature ends before the first statement of the body, which may be on its line.
        colon = self._offset(body.lineno, body.col_offset)
        if isinstance(body, DEFINITIONS) and body.decorator_list:
            colon = self._offset(body.decorator_list[0].lineno, 0)
        signature = (self.at(start), self._signature_end(node, colon))
        doc = (0, 0)
        if ast.get_docstring(node, clean=False) is not None:
            doc = (colon, self._offset(body.end_lineno or 0, body.end_col_offset or 0))
        kind = (
            "class" if isinstance(node, ast.ClassDef) else "method" if parent >= 0 else "function"
        )
        whole = self.at(end) - self.at(start) <= SMALL_CLASS
        if kind != "class" or whole or not any(_definitions(node.body)):
            self.add(node.name, kind, start, end, signature=signature, doc=doc, parent=parent)
            return
        head = bisect_left(self.starts, signature[1])
        me = self.add(node.name, kind, start, head, signature=signature, doc=doc, parent=parent)
        self.body(node.body, head, end, me)

    def _signature_end(self, node: Definition, body: int) -> int:
        """Return the end of the line, or of the text, with the colon before the body."""
        begin = self.text.rfind("\n", 0, body) + 1
        above = self.text[begin:body].rstrip(" \t")
        if above:
            return begin + len(above)  # "def f(): return 1"
        at = max([node.lineno, *(_last_line(part) for part in _parts(node))])
        line = self.at(at - 1)
        while line < body:  # the line that ends the signature is the first one with its colon
            stop = self.text.find("\n", line)
            code = self.text[line:stop].split("#")[0].rstrip()
            if code.endswith(":"):
                return stop
            line = stop + 1
        return self.text.rfind("\n", 0, body)

    def _offset(self, line: int, column: int) -> int:
        """Return the character offset of a line from 1 and a column in bytes of UTF-8."""
        text = self.line(line - 1)
        if not text.isascii():
            column = len(text.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "ignore"))
        return self.at(line - 1) + column


def _parts(node: Definition) -> Iterator[ast.AST]:
    """Yield the parts of a signature."""
    if isinstance(node, ast.ClassDef):
        yield from node.bases
        yield from node.keywords
        return
    arguments = node.args
    for group in (arguments.posonlyargs, arguments.args, arguments.kwonlyargs):
        yield from group
    yield from filter(None, [*arguments.defaults, *arguments.kw_defaults, node.returns])


def _last_line(node: ast.AST) -> int:
    return int(getattr(node, "end_lineno", 0) or 0)


def _definitions(statements: list[ast.stmt]) -> Iterator[Definition]:
    """Yield functions and classes; those under `if` and `try` are parts of a block."""
    for node in statements:
        if isinstance(node, DEFINITIONS):
            yield node


def _imports(tree: ast.Module) -> Iterator[Import]:
    """Yield the imports of a module, at its top level and under `if` and `try`."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (Import(tuple(alias.name.split("."))) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            yield Import(module, node.level)
            yield from (Import((*module, alias.name), node.level) for alias in node.names)
        elif isinstance(node, ast.If | ast.Try):
            pending.extend([*node.body, *node.orelse])
            if isinstance(node, ast.Try):
                pending.extend(child for h in node.handlers for child in h.body)
        elif isinstance(node, DEFINITIONS):
            pending.extend(child for child in node.body if isinstance(child, ast.stmt))
