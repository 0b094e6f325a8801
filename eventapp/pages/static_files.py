"""The style sheets and scripts of the pages, under addresses that change with their content.

The address of a file is `/static/VERSION/PATH`. The version is a digest of all files, so a browser
may keep a file for a year, and gets the new one as soon as a page names a new version. Scripts
import each other by relative paths, and so from the same version.

A bundle is one file made of several. On a slow connection, each further style sheet delays the
first paint by the time of a new connection.
"""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "static"
TRANSLATIONS = Path(__file__).resolve().parent.parent / "translations"
SUFFIXES = frozenset({".css", ".js", ".svg", ".png", ".webmanifest", ".wasm"})


def list_files() -> dict[str, Path]:
    """Return the files that are served, by their paths below the version."""
    return {
        path.relative_to(FOLDER).as_posix(): path
        for path in sorted(FOLDER.rglob("*"))
        if path.is_file() and path.suffix in SUFFIXES
    }


def _compute_version() -> str:
    digest = hashlib.sha256()
    for path in (*FILES.values(), *sorted(TRANSLATIONS.glob("*.po"))):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


FILES = list_files()
BUNDLES = {"css/public_pages.css": ("css/base.css", "css/public.css", "css/booking_form.css")}
VERSION = _compute_version()


def make_url(path: str) -> str:
    """Return the address of a file, such as `/static/0123456789ab/css/base.css`.

    Raises:
        KeyError: there is no such file.
    """
    if path not in FILES and path not in BUNDLES:
        raise KeyError(f"eventapp/pages/static has no {path}")
    return f"/static/{VERSION}/{path}"


def read_bundle(path: str) -> bytes:
    """Return the files of a bundle, one after the other.

    Raises:
        KeyError: there is no such bundle.
    """
    return b"".join(FILES[part].read_bytes() for part in BUNDLES[path])
