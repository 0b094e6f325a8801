"""Render a receipt as an HTML page that contains its style and loads nothing."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from eventapp.receipts.types import PrintedReceipt

FOLDER = Path(__file__).parent / "templates"
# The text of the element `style`. The Content-Security-Policy of the page allows it by its hash.
STYLE = (FOLDER / "receipt.css").read_text(encoding="utf-8")

_environment = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_page(receipt: PrintedReceipt) -> str:
    """Return the page of a receipt."""
    # The style is a file of this program, and its characters must be those of the hash.
    style = Markup(STYLE)
    return _environment.get_template("receipt.html").render(receipt=receipt, style=style)
