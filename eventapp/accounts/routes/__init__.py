"""Routes of accounts, sessions and profile photos."""

from eventapp.accounts.routes import auth, photos, recovery, users

BLUEPRINTS = (
    auth.bp,
    recovery.bp,
    users.bp,
    photos.bp,
)
