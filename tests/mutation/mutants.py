"""The mutants of a module, each a changed function of it."""

import ast
import importlib
import inspect
import textwrap
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from eventapp.config import ROOT
from tests.mutation import operators

# cosmic-ray replaces every operator by every other one. Most of these mutants are killed together,
# so a comparison is mutated at its boundary and negated, and `+` is replaced by `-` alone.
REPLACEMENTS = (
    "Comparison: Eq_NotEq NotEq_Eq Lt_LtE LtE_Lt Gt_GtE GtE_Gt Is_IsNot IsNot_Is",
    "Binary: Add_Sub Sub_Add Mul_FloorDiv Div_Mul FloorDiv_Mul Mod_Mul BitAnd_BitOr",
    "Unary: USub_UAdd Delete_Not",
)
NAMES = (
    *(
        f"Replace{kind}Operator_{name}"
        for kind, names in (line.split(": ") for line in REPLACEMENTS)
        for name in names.split()
    ),
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "NumberReplacer",
    "ZeroIterationForLoop",
)
# More than any operator finds in one function.
MAX_OCCURRENCES = 1000
OWN = (operators.DropItem, operators.ReplaceException, operators.ReplaceQueryOperator)


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    Attributes:
        function: the qualified name of the only function that differs.
        change: the changed line, before and after.
    """

    module: str
    operator: str
    function: str
    line: int
    change: str
    source: str

    def install(self) -> None:
        """Let the function run the mutated code, in this process, wherever it was imported."""
        found = importlib.import_module(self.module)
        for name in self.function.split("."):
            found = inspect.getattr_static(found, name)
            found = getattr(found, "__func__", getattr(found, "fget", None)) or found
        code = compile(self.source, inspect.getsourcefile(inspect.unwrap(found)), "exec")
        inspect.unwrap(found).__code__ = _find_code(code, self.function)


def list_mutants(path: Path) -> list[Mutant]:
    """Return the mutants of the functions and methods of a module, in order.

    What is evaluated when the module is imported is not mutated: constants, decorators, defaults
    and annotations. Neither is what compiles no more, or to the same code as another mutant.
    """
    lines = path.read_text().splitlines(keepends=True)
    module = _name_module(path)
    mutants = []
    for name, node in _find_functions(ast.parse("".join(lines)).body, ""):
        before, after = lines[: node.lineno - 1], lines[node.end_lineno :]
        function = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno]))
        indentation = " " * node.col_offset
        for operator, mutated in _mutate(function):
            line, change = _describe(function, mutated)
            source = "".join([*before, textwrap.indent(mutated, indentation), *after])
            mutants.append(Mutant(module, operator, name, node.lineno + line - 1, change, source))
    return sorted(mutants, key=lambda each: each.line)


def _name_module(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _mutate(function):
    """Yield the names of operators and what they make of the source of a function."""
    seen = {_dump_body(function)}
    for name, operator in _make_operators():
        for occurrence in range(MAX_OCCURRENCES):
            if (mutated := mutate_code(function, operator, occurrence)) is None:
                break
            with suppress(SyntaxError):  # For example, `not name := value`.
                if (body := _dump_body(mutated)) not in seen:
                    seen.add(body)
                    yield name, mutated


def record_calls(path: Path, note: str) -> list[Mutant]:
    """Return changes that let each function of a module call the builtin `note` with its name."""
    lines = path.read_text().splitlines(keepends=True)
    functions = list(_find_functions(ast.parse("".join(lines)).body, ""))
    module = _name_module(path)
    for name, node in reversed(functions):
        first = node.body[0]
        call = f"{' ' * first.col_offset}{note}({(module, name)!r})\n"
        lines.insert(first.lineno - 1, call)
    return [Mutant(module, "", name, 0, "", "".join(lines)) for name, _ in functions]


def check_operators() -> None:
    """Assert that the operators of this package do what their examples say."""
    for operator in OWN:
        for example in operator.examples():
            mutated = mutate_code(example.pre_mutation_code, operator(), example.occurrence)
            assert mutated == example.post_mutation_code, (operator, mutated)


def _make_operators():
    return [(name, get_operator(f"core/{name}")()) for name in NAMES] + [
        (operator.__name__, operator()) for operator in OWN
    ]


def _find_functions(body, prefix):
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _find_functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node


def _dump_body(function):
    """Return the syntax tree of the body of a function, without annotations."""
    (definition,) = ast.parse(function).body
    for node in ast.walk(definition):
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
    return "".join(map(ast.dump, definition.body))


def _describe(before, after):
    """Return the number of the first line that differs, and it before and after."""
    pairs = zip(before.splitlines(), [*after.splitlines(), ""], strict=False)
    for number, (old, new) in enumerate(pairs, 1):
        if old != new:
            return number, f"{old.strip()}  ->  {new.strip()}"
    raise AssertionError("nothing differs")


def _find_code(code, qualified_name):
    """Return the code of a function in the code of its module."""
    for part in qualified_name.split("."):
        code = next(each for each in code.co_consts if _is_named(each, part))
    return code


def _is_named(constant, name):
    return isinstance(constant, CodeType) and constant.co_name == name
