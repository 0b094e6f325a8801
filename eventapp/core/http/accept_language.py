"""Choose the language of a user by the Accept-Language header of a request."""

from flask import request
from werkzeug.datastructures import LanguageAccept

from eventapp.core.languages import DEFAULT_LANGUAGE, LANGUAGES


def choose_language() -> str:
    """Return the language of LANGUAGES that the client accepts best, DEFAULT_LANGUAGE without.

    Regions are ignored. Otherwise `el-GR, en;q=0.5` would choose English, because `en` matches
    exactly.
    """
    accepted = [(tag.partition("-")[0], quality) for tag, quality in request.accept_languages]
    return LanguageAccept(accepted).best_match(LANGUAGES, DEFAULT_LANGUAGE) or DEFAULT_LANGUAGE
