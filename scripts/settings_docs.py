"""Write .env.example and the settings table in README.md from the declarations in eventapp.config.

Run `python -m scripts.settings_docs` after a change; `tests/unit/test_config.py` checks that both
are up to date. Which settings the table holds is decided in README.md, by its first column.
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp.config import ROOT, SETTINGS

EXAMPLE, README = ROOT / ".env.example", ROOT / "README.md"
HEADER = """\
# Copy this file to `.env` and change what you need. The environment overrides the file.
# Each line shows the default. A setting with nothing after `=` is unset by default.
"""
TABLE_ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]+)` \|.*\|$", re.MULTILINE)
LINE_LENGTH = 100


def render_example() -> str:
    """Return the text of .env.example: each setting with its help and its default."""
    return HEADER + "".join(
        "\n"
        + textwrap.fill(
            setting.help,
            LINE_LENGTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        + f"\n{name}={setting.default or ''}\n"
        for name, setting in SETTINGS.items()
    )


def render_row(name: str) -> str:
    """Return the row of one setting in the table of README.md."""
    setting = SETTINGS[name]
    default = f"`{setting.default}`" if setting.default else "unset"
    return f"| `{name}` | {default} | {setting.help} |"


def render_readme(text: str) -> str:
    """Return the text of README.md with the rows of its settings table brought up to date."""
    return TABLE_ROW.sub(lambda row: render_row(row[1]) if row[1] in SETTINGS else row[0], text)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    EXAMPLE.write_text(render_example(), encoding="utf-8")
    README.write_text(render_readme(README.read_text(encoding="utf-8")), encoding="utf-8")
