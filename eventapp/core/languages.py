"""The languages in which users get mails, by their ISO 639-1 codes."""

ENGLISH, GREEK = "en", "el"
LANGUAGES = (ENGLISH, GREEK)
# The language of accounts that have none, and of clients that accept none of LANGUAGES.
DEFAULT_LANGUAGE = ENGLISH
