"""Bicep, parsed by tree-sitter's grammar: the declarations of a file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from local.parts import ROOT

INFRA = ROOT / "infra"
FILES = tuple(sorted(path.relative_to(INFRA).as_posix() for path in INFRA.rglob("*.bicep")))
PARAMETERS = "main.bicepparam"
ENTRIES = ("main.bicep", "access.bicep", "access-group.bicep", "events.bicep")
"""What is deployed by itself: the rest are modules of these."""

_PARSER = Parser(Language(tree_sitter_bicep.language()))


@dataclass(frozen=True, slots=True)
class Declaration:
    """A parameter, variable, resource, module, output and so on."""

    kind: str
    """As the grammar has it, without `_declaration`."""
    name: str
    node: Node
    decorators: tuple[Node, ...]

    def decorator(self, name: str) -> Node | None:
        """The arguments of a decorator; None: it has no such."""
        for each in self.decorators:
            call = each.named_children[0]
            if call.named_children and text(call.named_children[0]) == name:
                return call.named_children[1]
        return None


def parse(source: str) -> Node:
    """The tree. It may have faults: `faults` lists them."""
    return _PARSER.parse(source.encode()).root_node


@cache
def tree(name: str) -> Node:
    """The tree of a file of infra/."""
    return parse(source(name))


def source(name: str) -> str:
    """What is in a file of infra/, as the grammar can read it."""
    read = (INFRA / name).read_text("utf-8")
    if not name.endswith(".bicepparam"):
        return read
    # The grammar knows parameters as Bicep declares them, with a type, and not as a parameters file assigns them.
    return re.sub(r"(?m)^using .*$", "", re.sub(r"(?m)^(param \w+) =", r"\1 any =", read))


def faults(node: Node) -> list[str]:
    """What the grammar could not read, each with its place."""
    found = [f"{node.type} at line {node.start_point.row + 1}"] if node.is_error or node.is_missing else []
    return found + [fault for child in node.children for fault in faults(child)]


def walk(node: Node) -> Iterator[Node]:
    """A node, and all below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def text(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode()


@cache
def declarations(name: str) -> tuple[Declaration, ...]:
    """What a file declares, in its order."""
    found, decorators = [], tuple[Node, ...]()
    for node in tree(name).named_children:
        if node.type == "decorators":
            decorators = tuple(node.named_children)
            continue
        kind = node.type.removesuffix("_declaration")
        names = [child for child in node.named_children if child.type == "identifier"]
        if node.type != "comment":
            found.append(Declaration(kind, text(names[0]) if names else "", node, decorators))
            decorators = ()
    return tuple(found)


def of_kind(name: str, kind: str) -> dict[str, Declaration]:
    """The declarations of a kind, by name: `parameter`, `variable`, `resource`, `module`, `output`."""
    return {each.name: each for each in declarations(name) if each.kind == kind}
