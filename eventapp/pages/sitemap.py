"""List the addresses of public pages for search engines, in files as sitemaps.org describes them.

A file contains the upcoming events of a range of eventIds, and their organizers. So it has at most
twice as many addresses as the range has ids, and is read by one query of an index. If there are
several files, `/sitemap.xml` is an index of them. Files are kept for an hour, without the name of
the site, which is that of the request.
"""

import threading
import zlib
from collections.abc import Iterable
from datetime import datetime

from cachetools import TTLCache

from eventapp.core.app_key import AppKey
from eventapp.core.database import Db
from eventapp.events import public_lists
from eventapp.events.service import EventNotFound
from eventapp.events.types import ListedKey

# A file may have 50,000 addresses. Each event may have an organizer of its own.
RANGE_SIZE = 24_999
MAX_AGE = 3600  # seconds
# The most files that are kept. One takes 300 kB if it is full.
MAX_KEPT = 50
# Stands for the scheme and host of the site; no address of a page contains it.
SITE = b"\0"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


class Sitemaps:
    """The sitemap files of this process's database, kept in memory."""

    def __init__(self, range_size: int = RANGE_SIZE) -> None:
        """Keep no file yet.

        Args:
            range_size: how many eventIds the range of a file has.
        """
        self._range_size = range_size
        self._lock = threading.Lock()
        self._kept: TTLCache[int | None, bytes] = TTLCache(MAX_KEPT, MAX_AGE)

    def show(self, db: Db, site: str) -> bytes:
        """Return `/sitemap.xml`: the only file, or the index of all files.

        Args:
            site: the scheme and host of the addresses.
        """
        return self._get(db, None, site)

    def show_part(self, db: Db, number: int, site: str) -> bytes:
        """Return the file of the range with this number, from 0.

        Raises:
            EventNotFound: the range has no public event.
        """
        return self._get(db, number, site)

    def _get(self, db: Db, number: int | None, site: str) -> bytes:
        with self._lock:  # One thread makes a file for all.
            kept = self._kept.get(number)
            if kept is None:
                kept = zlib.compress(self._make(db, number).encode(), 1)
                self._kept[number] = kept
        return zlib.decompress(kept).replace(SITE, site.encode())

    def _make(self, db: Db, number: int | None) -> str:
        if number is None:
            ranges = public_lists.find_public_ranges(db, self._range_size)
            if len(ranges) > 1:
                return _write_index(ranges)
            number = ranges[0] if ranges else 0
            return _write_file(self._list(db, number))
        events = self._list(db, number)
        if not events:
            raise EventNotFound
        return _write_file(events)

    def _list(self, db: Db, number: int) -> list[ListedKey]:
        return public_lists.list_public_range(db, number, self._range_size)


SITEMAPS: AppKey[Sitemaps] = AppKey("sitemaps")


def _write_file(events: Iterable[ListedKey]) -> str:
    """Return the file with the list of events, these events and their organizers."""
    changed: dict[str, datetime | None] = {"/": None}
    for event in events:
        changed[f"/e/{event['eventId']}"] = event["updatedAt"]
        if event["organizerId"] is not None:
            path = f"/o/{event['organizerId']}"
            changed[path] = max(event["updatedAt"], changed.get(path) or event["updatedAt"])
    rows = "".join(_write_row(path, moment) for path, moment in changed.items())
    return f'{HEAD}<urlset xmlns="{NAMESPACE}">\n{rows}</urlset>\n'


def _write_row(path: str, changed_at: datetime | None) -> str:
    when = f"<lastmod>{changed_at:%Y-%m-%dT%H:%M:%SZ}</lastmod>" if changed_at else ""
    return f"<url><loc>\0{path}</loc>{when}</url>\n"


def _write_index(ranges: Iterable[int]) -> str:
    rows = "".join(f"<sitemap><loc>\0/sitemap-{number}.xml</loc></sitemap>\n" for number in ranges)
    return f'{HEAD}<sitemapindex xmlns="{NAMESPACE}">\n{rows}</sitemapindex>\n'
