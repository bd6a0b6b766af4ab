"""Symbols by the grammars of tree-sitter, where the extra `code` is installed.

The grammars are compiled into their wheels: nothing is fetched when they are used.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from ctxmem.codebase.plain import COMMENT, IMPORTED, imported
from ctxmem.codebase.symbols import SMALL_CLASS, Cutter, Parsed

GRAMMARS = {
    **dict.fromkeys(("js", "mjs", "cjs", "jsx"), ("tree_sitter_javascript", "language")),
    **dict.fromkeys(("ts", "mts", "cts"), ("tree_sitter_typescript", "language_typescript")),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "rs": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
    **dict.fromkeys(("c", "h"), ("tree_sitter_c", "language")),
    **dict.fromkeys(("cc", "cpp", "cxx", "hpp", "hh", "hxx"), ("tree_sitter_cpp", "language")),
    "cs": ("tree_sitter_c_sharp", "language"),
    "rb": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
    **dict.fromkeys(("sh", "bash"), ("tree_sitter_bash", "language")),
}
"""Ending of a file -> the module of its grammar, and the function in it."""

CLASSES = frozenset(
    """class_declaration class_definition class class_specifier struct_specifier struct_item
    enum_item trait_item impl_item mod_item interface_declaration enum_declaration
    record_declaration struct_declaration namespace_declaration namespace_definition module
    trait_declaration internal_module abstract_class_declaration enum_specifier
    type_declaration singleton_class""".split()
)
FUNCTIONS = frozenset(
    """function_declaration function_definition method_definition method_declaration function_item
    constructor_declaration generator_function_declaration method singleton_method
    function_signature_item destructor_declaration property_declaration macro_definition
    type_alias_declaration lexical_declaration variable_declaration""".split()
)
WRAPPERS = frozenset(
    """export_statement decorated_definition template_declaration linkage_specification
    ambient_declaration declaration_list""".split()
)
"""Kinds of nodes that define classes and functions, and those around such a node."""

VALUES = frozenset("arrow_function function_expression function generator_function".split())
"""What makes the declaration of a variable that of a function."""

DEEPEST = 4
"""Levels of classes, namespaces and modules within each other down to which they are cut."""


@cache
def language_of(ending: str) -> Any | None:
    """Return the grammar for an ending of a file, None if it is not installed."""
    named = GRAMMARS.get(ending)
    if named is None:
        return None
    try:
        tree_sitter = import_module("tree_sitter")
        return tree_sitter.Language(getattr(import_module(named[0]), named[1])())
    except (ImportError, AttributeError, ValueError, TypeError):  # missing, or of another version
        return None


def parse_by_grammar(text: str, ending: str) -> Parsed | None:
    """Return the symbols of a text by its grammar, None where there is none for it.

    What the grammar cannot read is shown as it is; its lines are in the blocks between symbols.
    """
    language = language_of(ending)
    if language is None:
        return None
    parser = import_module("tree_sitter").Parser(language)  # one parser is for one thread
    root = parser.parse(text.encode("utf-8", "surrogatepass")).root_node
    cutter = _GrammarCutter(text)
    cutter.level(root, 0, len(cutter.starts), -1, 0)
    note = "has syntax errors" if root.has_error else ""
    return Parsed(text, tuple(cutter.symbols), imported(IMPORTED, text), note)


class _GrammarCutter(Cutter):
    def level(self, node: Any, first: int, last: int, parent: int, depth: int) -> None:
        """Add the symbols among the children of a node, and the lines between them."""
        begin = first
        for outer in node.named_children:
            inner = _unwrapped(outer)
            if inner is None:
                continue
            start, stop = outer.start_point[0], outer.end_point[0] + 1
            if start < begin or stop > last:
                continue  # it shares a line with the one above, or with the end of its class
            while start > begin and COMMENT.match(self.line(start - 1)):
                start -= 1
            self.add_lines(begin, start, parent=parent)
            self._define(inner, start, outer.start_point[0], stop, parent, depth)
            begin = stop
        self.add_lines(begin, last, parent=parent)

    def _define(self, node: Any, start: int, line: int, stop: int, parent: int, depth: int) -> None:
        body = _body(node)
        head = stop
        if body is not None:
            head = body.start_point[0] + 1
            if not self._text(body).lstrip().startswith(("{", ":")) and head - 1 > line:
                head -= 1  # a body without a sign before it, as in Ruby
        signature = (self.at(start), max(self.at(start), self.at(head) - 1))
        doc = (self.at(start), self.at(line)) if start < line else (0, 0)
        is_class = node.type in CLASSES
        kind = "class" if is_class else "method" if parent >= 0 else "function"
        name = _name(node)
        small = self.at(stop) - self.at(start) <= SMALL_CLASS
        if not is_class or small or body is None or depth >= DEEPEST or head >= stop:
            self.add(name, kind, start, stop, signature=signature, doc=doc, parent=parent)
            return
        me = self.add(name, kind, start, head, signature=signature, doc=doc, parent=parent)
        self.level(body, head, stop, me, depth + 1)

    def _text(self, node: Any) -> str:
        return bytes(node.text or b"")[:200].decode("utf-8", "replace")


def _unwrapped(node: Any) -> Any | None:
    """Return the definition that a node is or holds, None if it holds none."""
    for _ in range(DEEPEST):
        if node.type in CLASSES:
            return node
        if node.type in FUNCTIONS:
            return node if not node.type.endswith("_declaration") or _defines(node) else None
        if node.type not in WRAPPERS:
            return None
        inside = [child for child in node.named_children if child.type in CLASSES | FUNCTIONS]
        inside = inside or [child for child in node.named_children if child.type in WRAPPERS]
        if len(inside) != 1:
            return None
        node = inside[0]
    return None


def _defines(node: Any) -> bool:
    """Return whether a declaration is that of a function; one of a variable may be."""
    if node.type not in ("lexical_declaration", "variable_declaration"):
        return True
    return any(
        value is not None and value.type in VALUES
        for value in (child.child_by_field_name("value") for child in node.named_children)
    )


def _body(node: Any) -> Any | None:
    if node.type in ("lexical_declaration", "variable_declaration"):
        node = next(
            child.child_by_field_name("value")
            for child in node.named_children
            if child.child_by_field_name("value") is not None
        )
    body = node.child_by_field_name("body")
    if body is None and node.type == "type_declaration":  # of Go: type Name struct { ... }
        return None
    return body


def _name(node: Any) -> str:
    """Return the name that a node defines, with the classes before it, as `Reader::read`."""
    for _ in range(6):
        for field in ("name", "declarator", "type"):
            found = node.child_by_field_name(field)
            if found is not None:
                break
        else:
            named = [c for c in node.named_children if c.child_by_field_name("name") is not None]
            if not named:
                break
            found = named[0].child_by_field_name("name")
        if not found.named_child_count or field == "name":
            return bytes(found.text or b"")[:100].decode("utf-8", "replace").split("\n")[0]
        node = found
    return ""
