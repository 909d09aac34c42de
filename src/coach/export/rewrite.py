"""One Python file as the project has it: its imports, its names, its words. What it does stays the same."""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import libcst as cst
from libcst import metadata
from libcst.helpers import get_full_name_for_node

from coach.export.prose import WIDTH, Words
from coach.lesson import CourseError

OURS = ("capstone", "coach", "lessons", "mockllm", "solutions", "tests")
SPOKEN = re.compile("lesson|capstone|given|coach|course|mockllm", re.I)  # what Speech has something to say about
RENAMED = {"lesson": "name"}  # what a part is called: `part.lesson`, `PartOut(lesson=...)`, `lesson: str`


@dataclass(frozen=True)
class Moves:
    """Where modules and names have gone."""

    modules: Mapping[str, str]  # "capstone.settings" -> "app.config"
    names: Mapping[tuple[str, str], tuple[str, str]]  # ("capstone.parts", "auth") -> ("app.core", "auth")

    def of_name(self, module: str, name: str, where: str) -> tuple[str, str]:
        """Return from which module a name comes now, and what it is called there.

        Raises:
            CourseError: it comes from this repository and does not go along.
        """
        if found := self.names.get((module, name)):
            return found
        if child := self.modules.get(f"{module}.{name}"):
            parent, _, leaf = child.rpartition(".")
            return parent, leaf
        if module in self.modules:
            return self.modules[module], name
        if module.split(".")[0] not in OURS:
            return module, name
        raise CourseError(
            f"{where} takes {name!r} from {module}, and `coach export` does not know what that is at home: "
            "say it in src/coach/export/sources.py."
        )


def rewritten(
    text: str,
    *,
    old: str,
    package: bool,
    moves: Moves,
    words: Words,
    given: Sequence[cst.CSTTransformer] = (),
    translate: Callable[[str], str] | None = None,
) -> str:
    """Return a file of the repository as the project has it.

    Args:
        text: the file, without markers.
        old: its module in the repository, "capstone.services.chat".
        package: whether it is the `__init__` of one.
        moves: where everything has gone.
        words: how the project speaks.
        given: what else is to be done to this file, before.
        translate: what becomes of texts of the program; by default what `words` makes of them.

    Raises:
        CourseError: it imports something that does not go along.
    """
    translate = translate or words.text
    module = cst.parse_module(text)
    for step in given:
        module = module.visit(step)
    imports = Imports(old, package, moves)
    module = module.visit(imports)
    if imports.called:
        module = renamed(module, imports.called)
    return module.visit(Speech(words, translate)).code if SPOKEN.search(module.code) else module.code


class Imports(cst.CSTTransformer):
    """Lets a file import from where things are now."""

    def __init__(self, old: str, package: bool, moves: Moves) -> None:
        super().__init__()
        self.old, self.moves = old, moves
        self.home = old if package else old.rpartition(".")[0]
        new = moves.modules[old]
        self.new_home = new if is_package(moves.modules, old, package) else new.rpartition(".")[0]
        self.called: dict[str, str] = {}  # names that are others now: "basics" -> "application"

    def visit_SimpleStatementLine(self, node: cst.SimpleStatementLine) -> bool:
        """Look at the statement and not into it: imports stand nowhere else."""
        return False

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> "cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]":
        """Write an import anew; one that comes from several places now becomes several."""
        match updated_node.body:
            case [cst.ImportFrom() as one] if not isinstance(one.names, cst.ImportStar):
                made = self._imports(one)
            case [cst.Import() as one]:
                made = [self._plain(one)]
            case _:
                return updated_node
        if len(made) == 1 and made[0].deep_equals(updated_node.body[0]):
            return updated_node
        first = updated_node.with_changes(body=[made[0]])
        return cst.FlattenSentinel([first, *(cst.SimpleStatementLine([one]) for one in made[1:])])

    def _imports(self, node: cst.ImportFrom) -> list[cst.ImportFrom]:
        module = self._absolute(node)
        found: dict[str, list[cst.ImportAlias]] = {}
        same = True
        for alias in () if isinstance(node.names, cst.ImportStar) else node.names:
            name = alias.evaluated_name
            new_module, new_name = self.moves.of_name(module, name, self.old)
            if node.relative:
                same = same and new_name == name and new_module == self._absolute(node, self.new_home)
            else:
                same = same and new_module == module and new_name == name
            if new_name != name and alias.asname is None:
                self.called[name] = new_name
            made = alias.with_changes(name=dotted(new_name), comma=cst.MaybeSentinel.DEFAULT)
            found.setdefault(new_module, []).append(made)
        if same:
            return [node]
        return [
            node.with_changes(
                relative=(),
                module=dotted(module),
                names=names,
                lpar=None,
                rpar=None,
                whitespace_after_from=cst.SimpleWhitespace(" "),
                whitespace_before_import=cst.SimpleWhitespace(" "),
            )
            for module, names in found.items()
        ]

    def _absolute(self, node: cst.ImportFrom, home: str | None = None) -> str:
        named = get_full_name_for_node(node.module) if node.module else ""
        if not node.relative:
            return named or ""
        parts = (self.home if home is None else home).split(".")
        parts = parts[: len(parts) - len(node.relative) + 1]
        return ".".join([*parts, *([named] if named else [])])

    def _plain(self, node: cst.Import) -> cst.Import:
        names = []
        for alias in node.names:
            module = alias.evaluated_name
            new = self.moves.modules.get(module, module)
            if module.split(".")[0] in OURS and (
                module not in self.moves.modules or (new != module and not alias.asname)
            ):
                raise CourseError(
                    f"{self.old} says `import {module}`, which `coach export` cannot follow: write `from ... import`."
                )
            names.append(alias.with_changes(name=dotted(new)))
        return node.with_changes(names=names)


def is_package(modules: Mapping[str, str], old: str, package: bool) -> bool:
    """Say whether a module is a package in the project: `lessons.05_rag.app` becomes one, with its siblings inside."""
    new = modules[old]
    return package or any(other.startswith(f"{new}.") for other in modules.values())


def dotted(name: str) -> "cst.Name | cst.Attribute":
    """Return a dotted name as the tree has it."""
    made: cst.Name | cst.Attribute
    first, *others = name.split(".")
    made = cst.Name(first)
    for other in others:
        made = cst.Attribute(made, cst.Name(other))
    return made


def renamed(module: cst.Module, called: Mapping[str, str]) -> cst.Module:
    """Return a module in which imported names are others wherever they mean the import."""
    wrapper = metadata.MetadataWrapper(module)
    scopes = {scope for scope in wrapper.resolve(metadata.ScopeProvider).values() if scope is not None}
    nodes: dict[cst.CSTNode, str] = {}
    kept: dict[str, str] = {}  # the new name is somebody else's here, so the old one stays: `import new as old`
    for old, new in called.items():
        if len([one for scope in scopes for one in scope.assignments if one.name == new]) > 1:
            kept[new] = old
            continue
        for scope in scopes:
            # The import binds the new name already; what reads the old one finds nothing, and is what is meant.
            for access in scope.accesses:
                if isinstance(access.node, cst.Name) and access.node.value == old and not access.referents:
                    nodes[access.node] = new
    return wrapper.module.visit(_Renaming(nodes, kept))


class _Renaming(cst.CSTTransformer):
    def __init__(self, nodes: Mapping[cst.CSTNode, str], kept: Mapping[str, str]) -> None:
        super().__init__()
        self.nodes, self.kept = nodes, kept

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        new = self.nodes.get(original_node)
        return updated_node.with_changes(value=new) if new else updated_node

    def leave_ImportAlias(self, original_node: cst.ImportAlias, updated_node: cst.ImportAlias) -> cst.ImportAlias:
        old = self.kept.get(updated_node.evaluated_name)
        if old is None or updated_node.asname:
            return updated_node
        return updated_node.with_changes(asname=cst.AsName(cst.Name(old)))


class Speech(cst.CSTTransformer):
    """Lets comments, docstrings and texts say nothing of lessons."""

    def __init__(self, words: Words, translate: Callable[[str], str]) -> None:
        super().__init__()
        self.words, self.translate = words, translate
        self.depth = 0
        self.docstrings: set[cst.CSTNode] = set()

    def visit_IndentedBlock(self, node: cst.IndentedBlock) -> None:
        """Count how far a block is indented."""
        self.depth += 1

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        """Count back."""
        self.depth -= 1
        return updated_node

    def visit_Expr(self, node: cst.Expr) -> None:
        """Note texts that stand for themselves: docstrings of whatever is above or around them."""
        if isinstance(node.value, cst.SimpleString):
            self.docstrings.add(node.value)

    def leave_SimpleString(self, original_node: cst.SimpleString, updated_node: cst.SimpleString) -> cst.SimpleString:
        """Translate a text."""
        value = updated_node.value
        if original_node in self.docstrings:
            quotes = len(updated_node.prefix) + len(updated_node.quote)
            head, said, tail = (
                value[:quotes],
                value[quotes : -len(updated_node.quote)],
                value[-len(updated_node.quote) :],
            )
            return updated_node.with_changes(value=head + self.words.docstring(said, 4 * self.depth) + tail)
        return updated_node.with_changes(value=self.translate(value))

    def leave_FormattedStringText(
        self, original_node: cst.FormattedStringText, updated_node: cst.FormattedStringText
    ) -> cst.FormattedStringText:
        """Translate the words of an f-string."""
        return updated_node.with_changes(value=self.translate(updated_node.value))

    def leave_EmptyLine(
        self, original_node: cst.EmptyLine, updated_node: cst.EmptyLine
    ) -> "cst.EmptyLine | cst.FlattenSentinel[cst.EmptyLine] | cst.RemovalSentinel":
        """Translate a comment that has its line for itself; one that grows too long goes on in the next line."""
        if updated_node.comment is None:
            return updated_node
        said = self.words.comment(updated_node.comment.value, alone=True)
        room = WIDTH - 4 * self.depth - 2
        lines = textwrap.wrap(said[2:], room) if len(said) - 2 > room else [said[2:]] if said else []
        return cst.FlattenSentinel([updated_node.with_changes(comment=cst.Comment(f"# {one}")) for one in lines])

    def leave_TrailingWhitespace(
        self, original_node: cst.TrailingWhitespace, updated_node: cst.TrailingWhitespace
    ) -> cst.TrailingWhitespace:
        """Translate a comment behind code."""
        if updated_node.comment is None:
            return updated_node
        said = self.words.comment(updated_node.comment.value, alone=False)
        if said:
            return updated_node.with_changes(comment=cst.Comment(said))
        return updated_node.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        """Call a part's lesson its name."""
        new = RENAMED.get(updated_node.attr.value)
        return updated_node.with_changes(attr=cst.Name(new)) if new else updated_node

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:
        """The same where it is an argument."""
        new = RENAMED.get(updated_node.keyword.value) if updated_node.keyword else None
        return updated_node.with_changes(keyword=cst.Name(new)) if new else updated_node

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> cst.AnnAssign:
        """The same where it is a field."""
        target = updated_node.target
        new = RENAMED.get(target.value) if isinstance(target, cst.Name) else None
        return updated_node.with_changes(target=cst.Name(new)) if new else updated_node
