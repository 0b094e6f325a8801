"""Bring the catalogues in eventapp/translations up to date with the texts of the code.

Run `python -m scripts.translations` after a text has changed, and write the missing translations:
they are listed. Texts are found where they are arguments of `_`, `gettext` and `ngettext`, in
modules, templates and scripts. Those that nothing uses any more are removed.
"""

import argparse
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from eventapp.core.languages import DEFAULT_LANGUAGE, LANGUAGES
from eventapp.core.translations import FOLDER, read_catalogue

PACKAGE = FOLDER.parent
METHODS = [
    ("**/static/vendor/**", "ignore"),
    ("**.py", "python"),
    ("**/templates/**", "jinja2.ext:babel_extract"),
    ("**/static/js/**.js", "javascript"),
]
OPTIONS = {"**/templates/**": {"trimmed": "true", "silent": "false"}}
LINE_LENGTH = 100
HEADER = """\
# Translations of the texts of pages, scripts and mails, in the order of the texts.
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plural_forms}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"""


def extract_texts() -> Catalog:
    """Return a catalogue of all texts in the code, without translations."""
    catalogue = Catalog(charset="utf-8")
    found = extract_from_dir(PACKAGE, METHODS, OPTIONS)
    for path, _line, text, comments, context in found:
        location = (f"{PACKAGE.name}/{path}", 0)
        catalogue.add(text, locations=[location], auto_comments=comments, context=context)
    return catalogue


def update_catalogue(language: str) -> Catalog:
    """Return the catalogue of a language with the texts of the code, and its translations."""
    catalogue = read_catalogue(language)
    catalogue.update(extract_texts(), no_fuzzy_matching=True, update_creation_date=False)
    for message in catalogue:
        message.locations = sorted({(path, 0) for path, _ in message.locations})
    return catalogue


def render_catalogue(catalogue: Catalog) -> bytes:
    """Return a catalogue as the text of its file, ordered by its texts."""
    file = io.BytesIO()
    write_po(
        file,
        catalogue,
        width=LINE_LENGTH,
        sort_output=True,
        ignore_obsolete=True,
        include_lineno=False,
        omit_header=True,
    )
    header = HEADER.format(
        language=catalogue.locale_identifier, plural_forms=catalogue.plural_forms
    )
    return f"{header}\n{file.getvalue().decode().strip()}\n".encode()


def list_untranslated(catalogue: Catalog) -> list[Message]:
    """Return the texts that have no translation, or not one for each plural form."""
    return [message for message in catalogue if message.id and not _is_translated(message)]


def _is_translated(message: Message) -> bool:
    forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return bool(forms) and all(forms)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    for language in LANGUAGES:
        if language != DEFAULT_LANGUAGE:
            updated = update_catalogue(language)
            (FOLDER / f"{language}.po").write_bytes(render_catalogue(updated))
            for untranslated in list_untranslated(updated):
                print(f"{language}: {untranslated.id}")
