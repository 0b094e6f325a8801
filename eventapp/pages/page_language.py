"""Choose the language of a page, and keep it in the links of the page."""

from urllib.parse import urlencode

from flask import g, request

from eventapp.core.http.accept_language import choose_language
from eventapp.core.languages import LANGUAGES
from eventapp.core.translations import Translator, get_translator

PARAMETER = "lang"


def current_translator() -> Translator:
    """Return the translator of this request: that of `?lang=`, else of Accept-Language."""
    if "translator" not in g:
        g.translator = get_translator(_get_chosen_language() or choose_language())
    translator: Translator = g.translator
    return translator


def _get_chosen_language() -> str | None:
    chosen = request.args.get(PARAMETER)
    return chosen if chosen in LANGUAGES else None


def make_link(path: str, **query: object) -> str:
    """Return the address of a page, in the language that this request has chosen by `?lang=`.

    Args:
        path: from the root of the site, without a query.
        query: the query parameters; those that are None are left out.
    """
    chosen = _get_chosen_language()
    parameters = {name: value for name, value in query.items() if value is not None}
    if chosen is not None:
        parameters.setdefault(PARAMETER, chosen)
    return f"{path}?{urlencode(parameters, doseq=True)}" if parameters else path


def make_language_link(language: str) -> str:
    """Return the address of the page of this request in another language, with its whole query."""
    parameters = {**request.args.to_dict(flat=False), PARAMETER: [language]}
    return f"?{urlencode(parameters, doseq=True)}"
