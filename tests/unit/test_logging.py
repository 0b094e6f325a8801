"""The configuration of logging can be repeated, and no key of a payment provider is logged."""

import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.stdlib import ProcessorFormatter

from eventapp.config import load_config
from eventapp.core.logging import (
    _SECRET_TEXT,
    REDACTED,
    PlainRenderer,
    configure_logging,
    redact_secrets,
    redact_text,
)
from tests.conftest import make_settings


def test_repeated_configuration_leaves_one_handler_of_libraries(tmp_path):
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        for _ in range(3):
            handler = logging.StreamHandler()
            handler.setFormatter(ProcessorFormatter(processors=[str]))
            root.addHandler(handler)
        configure_logging(load_config(make_settings(tmp_path)))
        formatters = [handler.formatter for handler in root.handlers]
        assert sum(isinstance(each, ProcessorFormatter) for each in formatters) == 1
    finally:
        root.handlers[:] = before


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("key sk_live_51Hx_aB9 used", "key [hidden] used"),
        ("rk_test_51Hx", REDACTED),
        ("by whsec_aB+/9= and", "by [hidden] and"),
        ("pi_3Px1_secret_9Zk0aB1cD2eF", "pi_3Px1_secret_[hidden]"),
        ("JWT_SECRET_KEY and task_test_1 and a_secret_too", None),
    ],
)
def test_keys_of_a_payment_provider_are_hidden(text, logged):
    assert redact_secrets(None, "info", {"event": text}) == {"event": logged or text}


@given(st.from_regex(_SECRET_TEXT))
def test_the_search_for_secrets_looks_at_every_text_with_one(text):
    secrets = [match for match in _SECRET_TEXT.finditer(text) if match["lacks_parts"] is None]
    shown = redact_text(text)
    assert shown.count(REDACTED) >= len(secrets)
    assert not [match for match in secrets if len(match[0]) > 20 and match[0] in shown]


texts = st.text() | st.sampled_from(["a b", "a=b", 'a"b', "a'b", "two\nlines", "", "plain"])
lines = st.fixed_dictionaries(
    {"timestamp": st.just("2026-11-30T19:51:14.384055Z"), "event": texts | st.integers()},
    optional={
        **dict.fromkeys(("request_id", "user", "ms", "é"), texts | st.none() | st.floats()),
        **dict.fromkeys(("exception", "stack"), st.text()),
        "logger": st.text(),
    },
)


@given(lines, st.sampled_from(["debug", "info", "warning", "error", "critical"]))
def test_plain_lines_are_those_of_the_console_renderer(line, level):
    line = {**line, "level": level}
    expected = structlog.dev.ConsoleRenderer(colors=False)(None, level, dict(line))
    assert PlainRenderer()(None, level, dict(line)) == expected


def test_json_lines_may_contain_anything(capsys, tmp_path):
    configure_logging(load_config(make_settings(tmp_path, LOG_FORMAT="json", LOG_LEVEL="info")))
    structlog.get_logger().info("odd", number=2**70, other={1: object}, half="\ud800", time=None)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["number"], line["half"]) == ("odd", 2**70, "\ud800")
