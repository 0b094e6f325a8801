"""The routes of the pages, and of their style sheets and scripts."""

from flask import Flask

from eventapp.pages.routes import (
    account,
    account_links,
    account_sign_in,
    account_token,
    booking_link,
    console,
    console_account,
    console_event,
    door,
    error_pages,
    files,
    public,
    sitemaps,
)
from eventapp.pages.sitemap import SITEMAPS, Sitemaps

# Calls that answer JSON, and a page at the path of one, which are in the OpenAPI document.
DOCUMENTED_BLUEPRINTS = (account_token.bp, account_links.unsubscribe_bp, public.home)
BLUEPRINTS = (
    files.bp,
    account_sign_in.bp,
    account.bp,
    account_links.bp,
    booking_link.bp,
    public.bp,
    sitemaps.bp,
    door.bp,
    console.bp,
    console_account.bp,
    console_event.bp,
)


def init_app(app: Flask) -> None:
    """Prepare the sitemap, and show errors as pages. Call this after the headers are set up."""
    SITEMAPS.set(app, Sitemaps())
    error_pages.init_app(app)
