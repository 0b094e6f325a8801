"""The configuration of logging can be repeated."""

import logging

from structlog.stdlib import ProcessorFormatter

from eventapp.config import load_config
from eventapp.core.logging import configure_logging
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
