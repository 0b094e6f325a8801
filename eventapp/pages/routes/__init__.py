"""The routes of the pages, and of their style sheets and scripts."""

from eventapp.pages.routes import (
    account,
    account_links,
    account_sign_in,
    account_token,
    booking_link,
    files,
)

# Calls that answer JSON, which are in the OpenAPI document.
DOCUMENTED_BLUEPRINTS = (account_token.bp,)
BLUEPRINTS = (files.bp, account_sign_in.bp, account.bp, account_links.bp, booking_link.bp)
