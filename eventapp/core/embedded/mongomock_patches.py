"""mongomock, mended where it answers what MongoDB would not; importing this module mends it."""

from typing import Any

import mongomock.aggregate
import mongomock.filtering

# mongomock's own functions carry no types.
_aggregate: Any = mongomock.aggregate
_filtering: Any = mongomock.filtering
_MISSING: Any = _filtering.NOTHING
_candidates: Any = _filtering.iter_key_candidates
_type_matches: Any = _filtering._type_op
_TYPE_NAMES = {1: "double", 2: "string", 3: "object", 4: "array", 7: "objectId", 8: "bool"} | {
    9: "date",
    16: "int",
    18: "long",
}


def _candidates_with_missing(path: str, value: Any) -> Any:
    """Let a path that ends at null or a scalar be missing, so that {"a.b": None} finds it."""
    if path and not isinstance(value, dict | list):
        return [_MISSING]
    return _candidates(path, value)


def _type_op(value: Any, wanted: Any) -> bool:
    """Let `$type` take numbers and lists."""
    names = wanted if isinstance(wanted, list) else [wanted]
    return any(_type_matches(value, _TYPE_NAMES.get(name, name)) for name in names)


def _mod_op(value: Any, wanted: list[float]) -> bool:
    divisor, remainder = wanted
    values = value if isinstance(value, list) else [value]
    numbers = (one for one in values if isinstance(one, int | float) and not isinstance(one, bool))
    return any(int(one) % int(divisor) == remainder for one in numbers)


class _Parser(_aggregate._Parser):  # type: ignore[misc]
    """Evaluates expressions; one that compares a missing field has an answer."""

    def parse(self, expression: Any) -> Any:
        if isinstance(expression, dict) and list(expression) == ["$round"]:
            return self._round(expression["$round"])
        return super().parse(expression)

    def _round(self, operands: Any) -> Any:
        number, *places = self.parse_many(operands if isinstance(operands, list) else [operands])
        return None if number is None else round(number, *places)

    def _handle_comparison_operator(self, operator: str, operands: list[Any]) -> Any:
        first, second = (self._parse_or_nothing(operand) for operand in operands)
        if _MISSING in (first, second):
            # Missing comes before all else, null included.
            first, second = first is not _MISSING, second is not _MISSING
        literals = [{"$literal": first}, {"$literal": second}]
        return super()._handle_comparison_operator(operator, literals)


def _evaluate(expression: Any, document: Any, ignore_missing_keys: bool) -> Any:
    """Evaluate an `$expr`; what comes to nothing is not true."""
    try:
        return _Parser(document, ignore_missing_keys=ignore_missing_keys).parse(expression)
    except KeyError:
        return None


_filtering.iter_key_candidates = _candidates_with_missing
_filtering._filterer_inst._operator_map |= {"$type": _type_op, "$mod": _mod_op}
_filtering.register_parse_expression(_evaluate)
_aggregate._Parser = _Parser
