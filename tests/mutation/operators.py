"""Mutations of MongoDB filters and updates, which cosmic-ray's own operators leave alone.

They are cosmic-ray operators: classes that say where a parse tree of parso can be mutated, and
mutate it.
"""

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Operator as Token
from parso.python.tree import PythonNode, String

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
