"""Parse the texts of settings by the types and validators of the fields that declare them."""

from collections.abc import Iterable, Mapping
from dataclasses import Field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast, get_args

from environs import Env, EnvValidationError
from environs.types import ErrorMapping

from eventapp.setting_values import make_parser, parse_duration, parse_words


class InvalidSettings(Exception):
    """Some settings have values that are refused. The text is one line and names them all."""


class MappingEnv(Env):
    """Reads the values of a mapping with environs, instead of the process environment.

    It overrides a private method, because environs always looks into os.environ first.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(eager=False)  # All wrong settings are reported at once, by seal().
        self._mapping = values
        self.add_parser("duration", make_parser(parse_duration))
        self.add_parser("words", make_parser(parse_words))

    def _get_value(self, env_key: str, default: object) -> object:
        return self._mapping.get(env_key, default)


# The method of MappingEnv that reads a setting, by the type of its field.
_PARSERS: dict[object, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    Path: "path",
    timedelta: "duration",
    tuple[str, ...]: "words",
}


def parse_fields(declared: Iterable[Field[Any]], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of fields; None for those without a text, whatever their type.

    Args:
        declared: fields that `eventapp.config.setting` has made.
        texts: the values by the names of the settings, in upper case.

    Raises:
        InvalidSettings: some values are refused.
    """
    env = MappingEnv(texts)
    values = {each.name: _parse_field(env, each, texts) for each in declared}
    try:
        env.seal()
    except EnvValidationError as error:
        raise InvalidSettings(_format_errors(cast(ErrorMapping, error.error_messages))) from None
    return values


def _parse_field(env: MappingEnv, declared: Field[Any], texts: Mapping[str, str]) -> Any:
    """Return the parsed value of a setting, or None if it has no text."""
    name = declared.name.upper()
    if name not in texts:
        return None
    is_optional = declared.type not in _PARSERS  # The other types are all written `str | None`.
    value_type = get_args(declared.type)[0] if is_optional else declared.type
    read = getattr(env, _PARSERS[value_type])
    validators = declared.metadata["setting"].validators
    return read(name, validate=validators)


def _format_errors(messages: ErrorMapping) -> str:
    return "; ".join(f"{name}: {' '.join(map(str, each))}" for name, each in messages.items())
