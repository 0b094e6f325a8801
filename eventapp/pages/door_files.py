"""List the files of the door, which its service worker keeps for when there is no connection."""

import hashlib
import posixpath
import re

from eventapp.core.languages import DEFAULT_LANGUAGE, LANGUAGES
from eventapp.pages import static_files

START = "js/door/page.js"
WORKER = "js/door/worker.js"
OTHERS = ("css/base.css", "css/door.css", "icon.svg")
TEMPLATES = ("base.html", "door.html")
# The relative path of an imported module, in `from "./x.js"` and `import("./x.js")`.
_IMPORT = re.compile(r"""(?:\bfrom\s*|\bimport\s*\(?\s*)["'](\.[^"']+\.js)["']""")


def list_scripts(path: str = START) -> list[str]:
    """Return the paths of a script and of all scripts that it imports, also of those in turn."""
    found, due = [path], [path]
    while due:
        current = due.pop()
        for target in _IMPORT.findall(static_files.FILES[current].read_text()):
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(current), target))
            if imported not in found:
                found.append(imported)
                due.append(imported)
    return found


def list_addresses() -> list[str]:
    """Return the addresses of all files of the page, apart from the page itself."""
    texts = (f"texts/{each}.js" for each in LANGUAGES if each != DEFAULT_LANGUAGE)
    files = [static_files.make_url(path) for path in (*list_scripts(), *OTHERS)]
    return files + [f"/static/{static_files.VERSION}/{path}" for path in texts]


def compute_version() -> str:
    """Return a digest of what the service worker keeps. It changes with the page and its files."""
    digest = hashlib.sha256(static_files.VERSION.encode())
    for name in TEMPLATES:
        digest.update((static_files.FOLDER.parent / "templates" / name).read_bytes())
    return digest.hexdigest()[:12]


VERSION = compute_version()
ADDRESSES = list_addresses()
