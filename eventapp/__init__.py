"""The event-booking backend: `create_app` puts settings, store and features together."""

from collections.abc import Callable
from datetime import timedelta

from flask import Flask
from flask_compress import Compress

from eventapp.accounts import service as accounts
from eventapp.accounts import store as accounts_store
from eventapp.accounts.routes import auth as accounts_routes
from eventapp.accounts.routes import photos as user_photos
from eventapp.accounts.sessions import LiveSessions
from eventapp.analytics import sales_sums
from eventapp.analytics import store as analytics_store
from eventapp.analytics.routes import admin, dashboard
from eventapp.analytics.routes import figures as analytics_routes
from eventapp.android import routes as android_routes
from eventapp.bookings import service as bookings
from eventapp.bookings import store as bookings_store
from eventapp.bookings import store_alerts as bookings_told
from eventapp.bookings.context import BOOKING_CONTEXT, BookingContext
from eventapp.bookings.routes import bookings as bookings_routes
from eventapp.bookings.routes import event_bookings as bookings_events
from eventapp.bookings.routes import offers as offers_routes
from eventapp.bookings.rules import Limits
from eventapp.config import Config, load_config
from eventapp.core import database
from eventapp.core.access import permissions, rate_limits
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.http import headers, request_log
from eventapp.core.http import setup as http_setup
from eventapp.core.http.app_context import CONFIG
from eventapp.core.shared_cache import SharedCache
from eventapp.core.streams.hub import Hub
from eventapp.events import service as events
from eventapp.events import store as events_store
from eventapp.events import store_alerts as events_told
from eventapp.events.cache.event_cache import EVENT_CACHE, EventCache
from eventapp.events.changes import NO_EVENT_CACHE, EventChanges
from eventapp.events.popularity import POPULARITY, Popularity
from eventapp.events.routes import events as events_routes
from eventapp.events.routes import favorites as favorites_routes
from eventapp.events.routes import photos as event_photos
from eventapp.events.routes import ticket_types
from eventapp.favorites import service as favorites
from eventapp.favorites import store as favorites_store
from eventapp.health import routes as health_routes
from eventapp.inventory import store as inventory_store
from eventapp.inventory.service import BoxOffice
from eventapp.jobs import service as jobs
from eventapp.media import routes as media_routes
from eventapp.media import service as media
from eventapp.media import store as media_store
from eventapp.messages import event_listener
from eventapp.messages import service as messages
from eventapp.messages import store as messages_store
from eventapp.messages.routes import event_stream
from eventapp.messages.routes import messages as messages_routes
from eventapp.notifications import live as live_notifications
from eventapp.notifications import service as notifications
from eventapp.notifications import store as notifications_store
from eventapp.notifications import store_outbox as mails_store
from eventapp.notifications.outbox import open_outbox
from eventapp.notifications.routes import notifications as notifications_routes
from eventapp.notifications.routes import stream as notification_stream
from eventapp.payments.providers import PROVIDERS
from eventapp.tickets import service as tickets
from eventapp.tickets.mail_attachments import build_ticket_attachments
from eventapp.tickets.routes import check_in
from eventapp.tickets.routes import tickets as tickets_routes
from eventapp.waitlist import routes as waitlist_routes
from eventapp.waitlist import service as waitlist
from eventapp.waitlist import store as waitlist_store

INDEXES = (
    accounts_store.INDEXES,
    favorites_store.INDEXES,
    events_store.INDEXES,
    inventory_store.INDEXES,
    waitlist_store.INDEXES,
    bookings_store.INDEXES,
    media_store.INDEXES,
    messages_store.INDEXES,
    bookings_told.INDEXES,
    events_told.INDEXES,
    notifications_store.INDEXES,
    mails_store.INDEXES,
    analytics_store.INDEXES,
)
BLUEPRINTS = (
    health_routes.root,
    health_routes.api,
    *accounts_routes.BLUEPRINTS,
    user_photos.bp,
    events_routes.bp,
    ticket_types.bp,
    event_photos.bp,
    favorites_routes.bp,
    favorites_routes.recoms_bp,
    waitlist_routes.bp,
    offers_routes.bp,
    bookings_routes.bp,
    bookings_routes.users_bp,
    bookings_events.bp,
    tickets_routes.bp,
    check_in.bp,
    messages_routes.bp,
    event_stream.bp,
    notifications_routes.bp,
    notification_stream.bp,
    analytics_routes.bp,
    analytics_routes.events_bp,
    admin.bp,
    dashboard.bp,
    android_routes.bp,
)
# How each feature removes, and tells, all that it stores about a person.
FORGET_USER = (
    favorites.forget_user,
    waitlist.forget_user,
    bookings.forget_user,
    media.forget_user,
    messages.forget_user,
    notifications.forget_user,  # last: what becomes of the rest is told nobody
)
EXPORT_USER = (
    favorites.export_user,
    waitlist.export_user,
    bookings.export_user,
    tickets.export_user,
    media.export_user,
    messages.export_user,
    notifications.export_user,
)

# Jobs and analytics know nothing of each other.
jobs.JOBS["count-sales"] = (lambda context, now: sales_sums.count_sales(context.db, now), 30)


def create_app(config: Config | None = None) -> Flask:
    """The application on the store that `config` (by default the environment) names.

    Raises:
        ConfigError: a setting is wrong; its text is one line that names it.
        EmbeddedStoreBusy: another process has the embedded store.
    """
    config = config or load_config()
    app = Flask(__name__, static_folder=None)
    CONFIG.set(app, config)
    request_log.setup_logging(config)
    request_log.init_app(app)
    api = http_setup.init_app(app)
    headers.init_app(app, config)  # before Compress, so that its hook adds to Vary after it
    Compress(app)
    permissions.init_app(app, config, LiveSessions(), accounts.confirm_receipt)
    rate_limits.init_app(app, config)
    app.extensions.update(forget_user=FORGET_USER, export_user=EXPORT_USER)
    opened = database.open_database(config, prepare)
    database.init_app(app, opened)
    cache = SharedCache(config.cache_url, config.jwt_secret) if config.cache_url else None
    event_cache = EventCache(opened.db, cache)
    EVENT_CACHE.set(app, event_cache)
    popularity = Popularity(opened.db)
    POPULARITY.set(app, popularity)
    context = open_booking_context(config, opened.db, event_cache, popularity.add_booking)
    BOOKING_CONTEXT.set(app, context)
    app.extensions.update(box_office=context.inventory)
    app.extensions.update(job_status=jobs.status)
    app.extensions.update(streams=open_streams(opened.db))
    for each in BLUEPRINTS:
        api.register_blueprint(each)
    app.register_blueprint(media_routes.bp)
    permissions.require_declared_permissions(app)
    return app


def prepare(db: Db) -> None:
    """What a database must have before the first request: indexes, the counter, today's lists."""
    database.ensure_indexes(db, INDEXES)
    events.prepare(db, utc_now())


def open_booking_context(
    config: Config,
    db: Db,
    event_changes: EventChanges = NO_EVENT_CACHE,
    on_booked: Callable[[int], None] = lambda _event_id: None,
) -> BookingContext:
    """What bookings work with, under the limits that the settings give.

    Args:
        event_changes: receives the events that are written here.
        on_booked: told the eventId of each booking.
    """
    limits = Limits(
        per_booking=config.max_tickets_per_booking,
        per_user=config.max_tickets_per_user,
        cutoff=timedelta(hours=config.cancellation_cutoff_hours),
        hold=timedelta(minutes=config.hold_minutes),
        offer=timedelta(minutes=config.waitlist_offer_minutes),
        currency=config.currency,
    )
    base_url = config.public_base_url or f"http://{config.host}:{config.port}"
    outbox = open_outbox(config.smtp_url, config.mail_from, base_url)
    payments = PROVIDERS["mock"]()
    office = BoxOffice(db, event_changes)
    return BookingContext(
        db,
        office,
        limits,
        payments,
        outbox,
        build_ticket_attachments,
        on_booked,
        event_changes,
    )


def open_streams(db: Db) -> Hub:
    """The live streams of this process."""
    hub = Hub()
    hub.add_source(event_listener.KIND, event_listener.EventReader(db, hub).look)
    hub.add_source(live_notifications.KIND, live_notifications.NotificationReader(db).look)
    return hub


def start_jobs(app: Flask) -> None:
    """Run the background jobs in this process where the store serves no other: the embedded one."""
    if CONFIG.get(app).mongo_uri is None:
        jobs.in_background(BOOKING_CONTEXT.get(app))
