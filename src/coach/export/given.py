"""What the course needs and home does not: in these few places code is changed, not only moved.

Each step looks for one shape that the course has given. Where a learner has made something else of it, it stays.
"""

import ast
import re

import libcst as cst
import libcst.matchers as m

from coach.export.alive import references


class OnlyGivenRouters(cst.CSTTransformer):
    """Lesson 01: an application has the routers that it is given, and not by default those of the lesson."""

    NONE = m.Comparison(m.Name("routers"), [m.ComparisonTarget(m.Is(), m.Name("None"))])
    SOME = m.Comparison(m.Name("routers"), [m.ComparisonTarget(m.IsNot(), m.Name("None"))])

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        """Change `[api, ...] if routers is None else routers`, either way round."""
        given = m.IfExp(test=self.NONE, orelse=m.Name("routers")) | m.IfExp(body=m.Name("routers"), test=self.SOME)
        return cst.parse_expression("(routers or ())") if m.matches(updated_node, given) else updated_node


def only_given_routers(text: str) -> str:
    """Return lesson 01 without its routers of its own, any other text as it is."""
    return cst.parse_module(text).visit(OnlyGivenRouters()).code if "routers is" in text else text


class NoPicking(cst.CSTTransformer):
    """Settings: there is no choice of parts at run time."""

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        """Drop the field `parts` of `Settings`, and the text below it."""
        if updated_node.name.value != "Settings" or not isinstance(updated_node.body, cst.IndentedBlock):
            return updated_node
        body = list(updated_node.body.body)
        field = m.SimpleStatementLine([m.AnnAssign(target=m.Name("parts"))])
        text = m.SimpleStatementLine([m.Expr(m.SimpleString())])
        for place, one in enumerate(body):
            if m.matches(one, field):
                until = place + 2 if m.matches(body[place + 1], text) else place + 1
                following = cst.ensure_type(body[until], cst.SimpleStatementLine)
                first = cst.ensure_type(one, cst.SimpleStatementLine)
                body[until] = following.with_changes(leading_lines=first.leading_lines)
                del body[place:until]
                break
        return updated_node.with_changes(body=updated_node.body.with_changes(body=body))


class OwnReader(cst.CSTTransformer):
    """The page: the reader is one of its files."""

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        """Change where `READER` is."""
        if m.matches(updated_node, m.Assign([m.AssignTarget(m.Name("READER"))])):
            return updated_node.with_changes(value=cst.parse_expression('WEB / "reader.js"'))
        return updated_node


class StepsAreDone(cst.CSTTransformer):
    """Lesson 09: every step is taken, so nobody asks whether one is still to do."""

    CALL = m.Call(m.Name("if_done"), [m.Arg(m.Name("todo")), m.AtLeastN(m.Arg(), n=1)])
    TODO = m.Name("todo")

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        """`if_done(todo, step, x)` is `step(x)`; nobody is handed `todo`."""
        if m.matches(updated_node, self.CALL):
            step, *arguments = updated_node.args[1:]
            return updated_node.with_changes(func=step.value, args=without_last_comma(arguments))
        kept = [one for one in updated_node.args if not m.matches(one, m.Arg(self.TODO))]
        if len(kept) < len(updated_node.args):
            return updated_node.with_changes(args=without_last_comma(kept))
        return updated_node

    def leave_BooleanOperation(
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        """`if_done(...) or []` needs nothing in its place."""
        if m.matches(original_node, m.BooleanOperation(left=self.CALL, operator=m.Or())):
            return updated_node.left
        return updated_node

    def leave_If(
        self, original_node: cst.If, updated_node: cst.If
    ) -> "cst.If | cst.FlattenSentinel[cst.BaseStatement]":
        """Take the branch for what is done."""
        done = m.Name("lifespan") | m.Comparison(m.SimpleString(), [m.ComparisonTarget(m.NotIn(), self.TODO)])
        if updated_node.orelse or not m.matches(updated_node.test, done):
            return updated_node
        body = cst.ensure_type(updated_node.body, cst.IndentedBlock)
        return cst.FlattenSentinel([cst.ensure_type(one, cst.SimpleStatementLine) for one in body.body])

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        """`app.state.service, app.state.todo = service, todo` keeps the service."""
        pairs = m.Assign([m.AssignTarget(m.Tuple([m.Element(), m.Element(m.Attribute(attr=self.TODO))]))], m.Tuple())
        if not m.matches(updated_node, pairs):
            return updated_node
        target = cst.ensure_type(updated_node.targets[0].target, cst.Tuple).elements[0].value
        value = cst.ensure_type(updated_node.value, cst.Tuple).elements[0].value
        kept = cst.AssignTarget(cst.ensure_type(target, cst.Attribute))
        return updated_node.with_changes(targets=[kept], value=value)

    def leave_AnnAssign(
        self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign
    ) -> "cst.AnnAssign | cst.RemovalSentinel":
        """There is no list of what is to do."""
        return cst.RemoveFromParent() if m.matches(updated_node.target, self.TODO) else updated_node

    def leave_Parameters(self, original_node: cst.Parameters, updated_node: cst.Parameters) -> cst.Parameters:
        """The same for a parameter."""
        kept = [one for one in updated_node.params if one.name.value != "todo"]
        if len(kept) == len(updated_node.params):
            return updated_node
        return updated_node.with_changes(params=without_last_comma(kept))

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> "cst.FunctionDef | cst.RemovalSentinel":
        """Nobody asks `if_done`, and it is `app/main.py` that makes an application."""
        return cst.RemoveFromParent() if updated_node.name.value in ("if_done", "__getattr__") else updated_node


class NothingPicked(cst.CSTTransformer):
    """The service's main module: which composition it is, and what it says of the parts, is settled."""

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> "cst.SimpleStatementLine | cst.RemovalSentinel":
        """Drop `composition, parts = pick_composition()`, and import what says the parts instead."""
        picks = m.SimpleStatementLine([m.Assign(value=m.Call(m.Name("pick_composition")))])
        if m.matches(updated_node, picks):
            return cst.RemoveFromParent()
        if m.matches(
            updated_node, m.SimpleStatementLine([m.ImportFrom(names=[m.ImportAlias(m.Name("pick_composition"))])])
        ):
            return cst.parse_statement("from capstone.parts import PARTS, pick_composition")  # type: ignore[return-value]
        return updated_node

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:
        """`parts=parts` names them."""
        if m.matches(updated_node, m.Arg(m.Name("parts"), keyword=m.Name("parts"))):
            return updated_node.with_changes(value=cst.Name("PARTS"))
        return updated_node


def without_last_comma(items: list[cst.Arg] | list[cst.Param]) -> "list[cst.Arg] | list[cst.Param]":
    """Return arguments or parameters of which none is followed by a comma that nothing follows."""
    return [*items[:-1], items[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)] if items else items  # type: ignore[list-item, return-value]


def composition(text: str) -> str:
    """Return lesson 09 without what asks whether its steps are done, or as it is if its frame is another one now."""
    text = re.sub(
        r'\A"""Lesson \d\d .*?"""',
        '"""The composition: what opens when, and who stands in front of whom."""',
        text,
        flags=re.S,
    )
    if "if_done" in {one.name for one in ast.parse(text).body if isinstance(one, ast.FunctionDef)}:
        made = cst.parse_module(text).visit(StepsAreDone()).code
        if not references(made) & {"if_done", "todo"}:
            return made
    return text
