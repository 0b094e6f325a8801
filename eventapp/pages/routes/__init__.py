"""Routes of the pages."""

from eventapp.pages.routes import account_token

BLUEPRINTS = (account_token.bp,)
