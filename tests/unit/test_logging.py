"""The configuration of logging can be repeated, and no key of a payment provider is logged."""

import logging

import pytest
from structlog.stdlib import ProcessorFormatter

from eventapp.config import load_config
from eventapp.core.logging import REDACTED, configure_logging, redact_secrets
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
