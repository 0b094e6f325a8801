"""Routes of accounts, sessions and profile photos."""

from eventapp.accounts.routes import api_tokens, auth, photos, recovery, unsubscribe, users

BLUEPRINTS = (
    auth.bp,
    api_tokens.bp,
    recovery.bp,
    users.bp,
    photos.bp,
    unsubscribe.bp,
)
