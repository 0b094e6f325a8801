"""The driver of the browser uses an element that a script replaces after it was found."""

import pytest

from tests.browser import StaleElement

PAGE = "data:text/html,<body><button onclick='window.clicks = (window.clicks || 0) + 1'>Go</button>"
REPLACE = "const old = document.querySelector('button'); old.replaceWith(old.cloneNode(true))"


def test_a_replaced_element_is_found_again(browser):
    browser.open(PAGE)
    replaced = browser._find("button")
    browser.run(REPLACE)
    found = iter([replaced, browser._find("button")])
    browser._use(lambda: next(found), "click", {})
    assert browser.run("return window.clicks") == 1
    with pytest.raises(StaleElement):
        browser._use(lambda: replaced, "click", {})
    assert browser.run("return window.clicks") == 1
