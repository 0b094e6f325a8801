"""Render a receipt as an HTML page that contains its style and loads nothing."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from eventapp.core.translations import get_translator
from eventapp.receipts.types import PrintedReceipt

FOLDER = Path(__file__).parent / "templates"
# The text of the element `style`. The Content-Security-Policy of the page allows it by its hash.
STYLE = (FOLDER / "receipt.css").read_text(encoding="utf-8")


@cache
def _get_environment(language: str) -> Environment:
    """Return the environment of the template in one language."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(  # type: ignore[attr-defined]
        get_translator(language).translations, newstyle=True
    )
    return environment


def render_page(receipt: PrintedReceipt) -> str:
    """Return the page of a receipt."""
    # The style is a file of this program, and its characters must be those of the hash.
    style = Markup(STYLE)
    template = _get_environment(receipt.language).get_template("receipt.html")
    return template.render(receipt=receipt, style=style)
