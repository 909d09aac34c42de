"""What of a part goes along.

Every lesson is a small application of its own, with routes to try it by hand. At home `app/main.py` takes its place, so
that application and what only it needs stay behind. Of a part of the learner's everything else goes along; of the
reference, what the service uses.
"""

import ast
import symtable
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

APP = "app"  # every lesson calls its application so
Place = tuple[str, str]  # file, name: ("store", "Library")


@dataclass(eq=False)
class Statement:
    """A statement of a file's top level."""

    file: str
    node: ast.stmt
    start: int  # its first line from 0, decorators and the comments right above included
    end: int  # the line behind its last
    binds: set[str]
    refs: set[str] = field(default_factory=set[str])
    registers_on: set[str] = field(default_factory=set[str])  # "api" of `@api.get(...)`

    @property
    def is_import(self) -> bool:
        """Whether it is an import."""
        return isinstance(self.node, ast.Import | ast.ImportFrom)

    @property
    def sibling(self) -> bool:
        """Whether it imports from a file of the same part."""
        return isinstance(self.node, ast.ImportFrom) and self.node.level == 1


class Part:
    """The files of a part, "app" among them, as statements that need each other."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        self.statements = {file: statements(file, text) for file, text in texts.items()}
        self.live: set[Statement] = set()
        self.names: set[Place] = set()

    def names_of(self, file: str, *, imported: bool = True) -> set[str]:
        """Return the names that a file binds at its top level, with or without those that it imports."""
        return {name for one in self.statements[file] if imported or not one.is_import for name in one.binds}

    def keep(self, roots: set[Place], *, whole: bool, application: Collection[str] = (APP,)) -> None:
        """Mark what goes along: what the `roots` need, and if `whole` whatever its `application` does not need."""
        for file, found in self.statements.items():
            by_name = any("globals" in one.refs for one in found)  # what is looked up by a text, nobody can tell
            for one in found:
                if is_always_kept(one) or by_name or (whole and file != APP):
                    self._mark(one)
                    for name in one.binds if by_name else ():
                        self._want(file, name)
        for place in sorted(roots):
            self._want(*place)
        if whole:
            left_behind = self._needed_by(set(application))
            for one in self.statements[APP]:
                if one not in left_behind and not one.is_import:
                    self._mark(one)
        self._registrations()

    def _want(self, file: str, name: str) -> None:
        if (file, name) in self.names or file not in self.statements:
            return
        self.names.add((file, name))
        for one in self.statements[file]:
            if name in one.binds:
                if isinstance(one.node, ast.ImportFrom) and one.sibling:
                    self._follow(one.node, name)
                self._mark(one)

    def _follow(self, node: ast.ImportFrom, name: str) -> None:
        alias = next(one for one in node.names if (one.asname or one.name) == name)
        if node.module:
            self._want(node.module, alias.name)

    def _mark(self, one: Statement) -> None:
        if one in self.live:
            return
        self.live.add(one)
        if one.is_import:
            return
        for name in one.refs:
            self._want(one.file, name)
        for alias, attribute in attributes(one.node):  # `store.Library` of `from . import store`
            for module in self._module_of(one.file, alias):
                self._want(module, attribute)

    def _module_of(self, file: str, alias: str) -> Iterator[str]:
        for one in self.statements[file]:
            if isinstance(one.node, ast.ImportFrom) and one.sibling and not one.node.module:
                for imported in one.node.names:
                    if (imported.asname or imported.name) == alias:
                        yield imported.name

    def _registrations(self) -> None:
        """Mark what adds to something that goes along: `CATALOG.update(...)`, `@router.get(...)`."""
        while True:
            before = len(self.live)
            for file, found in self.statements.items():
                local = {name for one in found if not one.is_import for name in one.binds}
                for one in found:
                    needs = one.registers_on if one.binds else one.refs & local
                    adds = bool(one.registers_on) or not one.binds
                    if adds and not one.is_import and all((file, name) in self.names for name in needs):
                        self._mark(one)
            if len(self.live) == before:
                return

    def _needed_by(self, names: set[str]) -> set[Statement]:
        """Return the statements that bind these names, what they need, and what adds to that."""
        found: set[Statement] = set()
        before = -1
        while len(found) != before:
            before = len(found)
            for one in self.statements[APP]:
                touches = one.refs & names if not one.binds else one.registers_on & names
                if not one.is_import and (one.binds & names or touches):
                    found.add(one)
                    names |= one.refs
        return found

    def text_of(self, file: str) -> str:
        """Return a file with what goes along and nothing else."""
        lines = self.texts[file].splitlines(keepends=True)
        for one in reversed(self.statements[file]):
            if isinstance(one.node, ast.Import | ast.ImportFrom):
                lines[one.start : one.end] = self._import_of(one, one.node, lines[one.start : one.end])
            elif one not in self.live:
                del lines[one.start : one.end]
        return "".join(lines)

    def _import_of(self, one: Statement, node: ast.Import | ast.ImportFrom, lines: list[str]) -> list[str]:
        """Return an import with the names that are needed; ruff takes none from an `__init__.py`."""
        kept = [alias for alias in node.names if (one.file, (alias.asname or alias.name).split(".")[0]) in self.names]
        if is_always_kept(one) or any(alias.name == "*" for alias in node.names) or len(kept) == len(node.names):
            return lines
        made = ast.Import(kept) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, kept, node.level)
        return [f"{ast.unparse(made)}\n"] if kept else []

    def handed_on(self, names: set[str]) -> list[str]:
        """Return those of the names that "app" only imports: others find them there, and nothing in it needs them."""
        imported = {name for one in self.statements[APP] if one.is_import for name in one.binds}
        used = {name for one in self.statements[APP] if one in self.live and not one.is_import for name in one.refs}
        return sorted(names & imported - used)

    def is_empty(self, file: str) -> bool:
        """Whether nothing of a file goes along."""
        return not any(one in self.live and not is_always_kept(one) for one in self.statements[file])


def is_always_kept(one: Statement) -> bool:
    """Whether a statement belongs to its file and to no name: its docstring, what it imports from the future."""
    if isinstance(one.node, ast.ImportFrom):
        return one.node.module == "__future__"
    return isinstance(one.node, ast.Expr) and isinstance(one.node.value, ast.Constant)


def statements(file: str, text: str) -> list[Statement]:
    """Return the statements of a file's top level."""
    lines = text.splitlines(keepends=True)
    tree = ast.parse(text)
    found: list[Statement] = []
    last = 0
    for node in tree.body:
        start = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))]) - 1
        source = "".join(lines[start : node.end_lineno])
        while start > last and lines[start - 1].startswith("#"):
            start -= 1
        last = node.end_lineno or node.lineno
        one = Statement(file, node, start, last, binds_of(node))
        one.refs = references(source) | annotated(node)
        one.registers_on = {name for name in registered_on(node) if name in one.refs}
        found.append(one)
    return found


def binds_of(node: ast.stmt) -> set[str]:
    """Return the names that a statement binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    inner = {id(one) for comprehension in ast.walk(node) for one in targets_of(comprehension)}
    found: set[str] = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store) and id(one) not in inner:
            found.add(one.id)
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(one.name)
        elif isinstance(one, ast.Import | ast.ImportFrom):
            found |= binds_of(one)
    return found


def targets_of(node: ast.AST) -> list[ast.AST]:
    """Return what a `for` within brackets binds, for itself alone."""
    return list(ast.walk(node.target)) if isinstance(node, ast.comprehension) else []


def references(source: str) -> set[str]:
    """Return the names of the module that a statement reads, also from within its functions."""

    def of(table: symtable.SymbolTable, *, top: bool) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (top or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from of(child, top=False)

    return set(of(symtable.symtable(source, "part", "exec"), top=True))


def annotated(node: ast.stmt) -> set[str]:
    """Return the names in annotations that are texts."""
    found: set[str] = set()
    for one in ast.walk(node):
        for place in (getattr(one, "annotation", None), getattr(one, "returns", None)):
            for text in ast.walk(place) if isinstance(place, ast.AST) else ():
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found |= names_in(text.value)
    return found


def names_in(text: str) -> set[str]:
    """Return the names in an expression, none if it is none."""
    try:
        return {one.id for one in ast.walk(ast.parse(text, mode="eval")) if isinstance(one, ast.Name)}
    except SyntaxError:
        return set()


def registered_on(node: ast.stmt) -> Iterator[str]:
    """Yield the names to which a decorated function is added: "api" of `@api.get("/")`."""
    for decorator in getattr(node, "decorator_list", []):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            yield called.value.id


def attributes(node: ast.AST) -> set[tuple[str, str]]:
    """Return what is read of names: ("store", "Library") of `store.Library`."""
    return {
        (one.value.id, one.attr)
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name)
    }


def read_of(texts: Sequence[str], alias: str) -> set[str]:
    """Return the attributes that texts read of a name."""
    return {attribute for text in texts for name, attribute in attributes(ast.parse(text)) if name == alias}
