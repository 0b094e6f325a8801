"""Routes of accounts, sessions and profile photos."""

from eventapp.accounts.routes import auth, photos, users

BLUEPRINTS = (
    auth.bp,
    users.bp,
    photos.bp,
)
