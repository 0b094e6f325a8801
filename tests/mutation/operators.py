"""Mutations that cosmic-ray's own operators do not make.

They change filters and updates of MongoDB, and the exceptions of `except` clauses. They are
cosmic-ray operators: classes that say where a parse tree of parso can be mutated, and mutate it.
"""

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Name, PythonNode, String
from parso.python.tree import Operator as Token

# An exception that no code raises.
NEVER_RAISED = "GeneratorExit"
# A filter without a condition, or an update without a field, is a dict with an item less.
ITEMS = ("dictorsetmaker", "testlist_comp")
REPLACED = {
    "$gte": "$gt",
    "$gt": "$gte",
    "$lte": "$lt",
    "$lt": "$lte",
    "$in": "$nin",
    "$nin": "$in",
    "$ne": "$eq",
    "$inc": "$set",
    "$min": "$set",
    "$max": "$set",
    "$or": "$and",
    "$nor": "$or",
    "$push": "$pull",
}


class DropItem(Operator):
    """Remove one item of a dict, a set or a list."""

    def mutation_positions(self, node):
        if node.type == "atom" and node.children[0].value in "[{":
            for item in _split_items(node):
                yield item[0].start_pos, item[-1].end_pos

    def mutate(self, node, index):
        kept = [item for number, item in enumerate(_split_items(node)) if number != index]
        inner = [child for item in kept for child in (*item, Token(",", item[-1].end_pos))]
        bracket = node.children[0]
        middle = [PythonNode(ITEMS[bracket.value == "["], inner)] if inner else []
        node.children = [bracket, *middle, node.children[-1]]
        return node

    @classmethod
    def examples(cls):
        return (
            Example("x = {'a': 1, **b}", "x = { **b,}", occurrence=0),
            Example("x = {'a': 1, **b}", "x = {'a': 1,}", occurrence=1),
            Example("x = {'a': 1}", "x = {}"),
            Example("x = [a, b]", "x = [a,]", occurrence=1),
        )


class ReplaceQueryOperator(Operator):
    """Replace an operator of MongoDB by a similar one."""

    def mutation_positions(self, node):
        if isinstance(node, String) and node.value.strip("\"'") in REPLACED:
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        node.value = repr(REPLACED[node.value.strip("\"'")])
        return node

    @classmethod
    def examples(cls):
        return (Example("{'$gte': 1}", "{'$gt': 1}"),)


class ReplaceException(Operator):
    """Replace one exception of an `except` clause by one that is never raised.

    cosmic-ray's `ExceptionReplacer` fails at the exceptions of a module, as `module.Error`.
    """

    def mutation_positions(self, node):
        if node.type == "except_clause":
            for _, _, caught in _list_caught(node):
                yield caught.start_pos, caught.end_pos

    def mutate(self, node, index):
        parent, number, caught = _list_caught(node)[index]
        first = caught.get_first_leaf()
        parent.children[number] = Name(NEVER_RAISED, first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls):
        before = "try: f()\nexcept a.B as c: pass\nexcept (D, e.F): pass"
        return (
            Example(before, before.replace("a.B", NEVER_RAISED)),
            Example(before, before.replace("D", NEVER_RAISED), occurrence=1),
            Example(before, before.replace("e.F", NEVER_RAISED), occurrence=2),
        )


def _list_caught(clause):
    """Return the exceptions of a clause, each as its parent, its number there, and its node."""
    caught = clause.children[1]
    if caught.type != "atom":
        return [(clause, 1, caught)]
    items = caught.children[1]
    if items.type not in ITEMS:
        return [(caught, 1, items)]
    return [(items, number, items.children[number]) for number in range(0, len(items.children), 2)]


def _split_items(atom):
    """Return the items of a display, each the list of its nodes; none for a comprehension."""
    inner = atom.children[1]
    if inner.type not in ITEMS:
        return [] if atom.children[0].value == "{" or inner is atom.children[-1] else [[inner]]
    if any(child.type in ("comp_for", "sync_comp_for") for child in inner.children):
        return []
    items = [[]]
    for child in inner.children:
        if getattr(child, "value", None) == ",":
            items.append([])
        else:
            items[-1].append(child)
    return [item for item in items if item]
