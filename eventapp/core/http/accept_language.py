"""Choose the language of a user by the Accept-Language header of a request."""

from flask import request

from eventapp.core.languages import DEFAULT_LANGUAGE, LANGUAGES


def choose_language() -> str:
    """Return the language of LANGUAGES that the client accepts best, DEFAULT_LANGUAGE without."""
    return request.accept_languages.best_match(LANGUAGES, DEFAULT_LANGUAGE) or DEFAULT_LANGUAGE
