"""The event-booking backend: `create_app` puts settings, store and features together."""

from flask import Flask
from flask_compress import Compress

from eventapp.accounts import routes as accounts_routes
from eventapp.accounts import service as accounts
from eventapp.accounts import store as accounts_store
from eventapp.android import routes as android_routes
from eventapp.config import Config, load_config
from eventapp.core import headers, http, limits, mongo, observe, security
from eventapp.core.clock import utc_now
from eventapp.core.mongo import Db
from eventapp.events import routes as events_routes
from eventapp.events import routes_favorites, routes_parts
from eventapp.events import service as events
from eventapp.events import store as events_store
from eventapp.favorites import service as favorites
from eventapp.favorites import store as favorites_store
from eventapp.health import routes as health_routes
from eventapp.media import routes as media_routes

INDEXES = (accounts_store.INDEXES, favorites_store.INDEXES, events_store.INDEXES)
BLUEPRINTS = (
    health_routes.root,
    health_routes.api,
    *accounts_routes.BLUEPRINTS,
    events_routes.bp,
    routes_parts.bp,
    routes_favorites.bp,
    routes_favorites.recoms_bp,
    android_routes.bp,
)
# How each feature removes, and tells, all that it stores about a person.
FORGET_USER = (favorites.forget_user,)
EXPORT_USER = (favorites.export_user,)


def create_app(config: Config | None = None) -> Flask:
    """The application on the store that `config` (by default the environment) names.

    Raises:
        ConfigError: a setting is wrong; its text is one line that names it.
        EmbeddedStoreBusy: another process has the embedded store.
    """
    config = config or load_config()
    app = Flask(__name__, static_folder=None)
    app.config["SETTINGS"] = config
    observe.setup_logging(config)
    observe.init_app(app)
    api = http.init_app(app)
    Compress(app)
    security.init_app(app, config, accounts.live_session, accounts.confirm_receipt)
    limits.init_app(app, config)
    headers.init_app(app, config)
    app.extensions.update(forget_user=FORGET_USER, export_user=EXPORT_USER)
    mongo.init_app(app, mongo.open_store(config, prepare))
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    app.register_blueprint(media_routes.bp)
    security.refuse_undeclared(app)
    return app


def prepare(db: Db) -> None:
    """What a database must have before the first request: indexes, the counter, today's lists."""
    mongo.ensure_indexes(db, INDEXES)
    events.prepare(db, utc_now())
