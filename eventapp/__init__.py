"""The event-booking backend. `create_app` builds its parts and connects them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import structlog
from bson import ObjectId
from flask import Flask
from flask_smorest import Api

from eventapp.accounts import api_tokens
from eventapp.accounts.mail_preferences import UNSUBSCRIBE_KEYS
from eventapp.accounts.mail_requests import MAIL_SEALER, SEAL_PURPOSE
from eventapp.accounts.service import (
    PERSONAL_DATA_HANDLERS,
    EventOwnership,
    ForgetFunction,
    PersonalDataHandlers,
)
from eventapp.accounts.sessions import SessionReader, confirm_receipt, store_user_writes
from eventapp.analytics import sales_sums
from eventapp.analytics.server_health import JOB_STATUS
from eventapp.android import service as android
from eventapp.bookings import event_transfer, offer_answers, untold_holders
from eventapp.bookings import links as booking_links
from eventapp.bookings.cell_counts import count_cells
from eventapp.bookings.context import BOOKING_CONTEXT, BookingContext
from eventapp.bookings.migration import migrate_bookings
from eventapp.bookings.payments.migration import migrate_payments
from eventapp.bookings.rules import Limits
from eventapp.bookings.sales import ticket_limit
from eventapp.bookings.sales.batches import RecordWriters
from eventapp.config import Config, load_config
from eventapp.core import database, logging
from eventapp.core.access import link_callers, permissions, rate_limits, recent_writes
from eventapp.core.access.booking_links import LinkKeys
from eventapp.core.access.declarations import require_declared_permissions
from eventapp.core.access.proxies import PROXY_ADDRESSES, ProxyAddresses
from eventapp.core.access.recent_writes import WRITE_RECORDER
from eventapp.core.access.sealing import Sealer
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.http import (
    compressed_bodies,
    early_answers,
    headers,
    request_log,
    setup,
    undeclared_input,
)
from eventapp.core.http.app_context import CONFIG
from eventapp.core.http.compressed_bodies import COMPRESSED_BODIES, CompressedBodies
from eventapp.core.log_writer import LOG_WRITER
from eventapp.core.lru_cache import CacheBudget
from eventapp.core.shared_cache import open_shared_cache
from eventapp.core.streams.connection_limits import ConnectionLimits
from eventapp.core.streams.hub import HUB, Hub
from eventapp.devices import service as devices
from eventapp.due_work import service as due_work
from eventapp.events import ownership, timekeeping
from eventapp.events.cache.event_cache import EVENT_CACHE, EventCache
from eventapp.events.changes import NO_EVENT_CACHE, EventChanges
from eventapp.events.migration import migrate_events, refold_events
from eventapp.events.popularity import POPULARITY, Popularity
from eventapp.events.schedules import UTC_ZONE
from eventapp.features import (
    BLUEPRINTS,
    EARLY_REQUEST_READERS,
    EXPORT_FUNCTIONS,
    FORGET_FUNCTIONS,
    INDEXES,
    RETIRED_INDEXES,
    UNDOCUMENTED_BLUEPRINTS,
)
from eventapp.inventory.service import INVENTORY, Inventory
from eventapp.jobs import service as jobs
from eventapp.messages import event_stream
from eventapp.notifications import live as live_notifications
from eventapp.notifications.outbox import open_outbox
from eventapp.notifications.unsubscribing import UnsubscribeKeys
from eventapp.organizers import service as organizers
from eventapp.pages import routes as pages_routes
from eventapp.payment_settings import open_payment_providers, set_up_page_payment
from eventapp.permission_table import TABLE
from eventapp.receipts.service import RECEIPT_ISSUER, ReceiptIssuer
from eventapp.tickets import service as tickets
from eventapp.waitlist.joining import TICKET_COUNTER
from eventapp.waitlist.migration import migrate_waitlist
from eventapp.webhooks import service as webhooks
from eventapp.webhooks.documents import document_webhooks

log = structlog.get_logger()


def create_app(config: Config | None = None) -> Flask:
    """Create the application and connect it to the database that `config` names.

    Args:
        config: the settings; by default they are read from `.env` and the environment.

    Raises:
        ConfigError: a setting is wrong. The message is one line that names it.
        EmbeddedStoreBusy: another process has opened the embedded store.
    """
    config = config or load_config()
    app = Flask(__name__, static_folder=None)
    CONFIG.set(app, config)
    api = set_up_http(app, config)
    db = set_up_database(app, config)
    set_up_services(app, config, db)
    register_blueprints(app, api)
    require_declared_permissions(app)
    return app


def set_up_http(app: Flask, config: Config) -> Api:
    """Set up logging, errors, headers, authentication and rate limits.

    Flask runs the hooks before a request in the order of the calls below, and the hooks after a
    request in reverse order.

    Returns:
        The object on which blueprints are registered to appear in the OpenAPI document.
    """
    LOG_WRITER.set(app, logging.configure_logging(config))
    request_log.init_app(app)
    api = setup.init_app(app)
    COMPRESSED_BODIES.set(app, CompressedBodies(app, CacheBudget(config.cache_mb)))
    early_answers.init_app(app, config, EARLY_REQUEST_READERS)
    headers.init_app(app, config)
    compressed_bodies.init_app(app)
    token_reader = api_tokens.StoredTokenReader(devices.is_in_use)
    load_session = SessionReader().load_session
    readers = load_session, confirm_receipt, token_reader, organizers.read_memberships
    permissions.init_app(app, config, TABLE, *readers)
    recent_writes.init_app(app, store_user_writes)
    link_callers.init_app(app, config.jwt_secret, booking_links.is_current)
    PROXY_ADDRESSES.set(app, ProxyAddresses(config.proxy_addresses))
    rate_limits.init_app(app, config)
    undeclared_input.init_app(app)
    pages_routes.init_app(app)
    return api


def set_up_database(app: Flask, config: Config) -> Db:
    """Open the database and prepare it. If MongoDB does not answer yet, a thread keeps trying."""
    prepare = partial(prepare_database, default_zone=config.default_zone)
    opened = database.open_database(config, prepare)
    database.init_app(app, opened)
    return opened.db


def prepare_database(db: Db, default_zone: ZoneInfo = UTC_ZONE) -> None:
    """Create missing indexes and the event counter, and update values that depend on the date.

    Documents of an older schema version are migrated, also those on which an earlier start has just
    failed.

    Args:
        default_zone: the zone that DEFAULT_TIMEZONE names. It decides which day is today.

    Raises:
        SchemaTooNew: a newer version of the application has written to the database.
    """
    version = database.check_schema_version(db)
    database.ensure_indexes(db, INDEXES, RETIRED_INDEXES)
    if version < database.SCHEMA_VERSION:
        due_work.retry_all(db, utc_now())
        # Cells and queues are counted last: they count by the entries of the schedule.
        is_migrated = migrate_events(db, default_zone, utc_now())
        is_migrated = refold_events(db, utc_now()) and is_migrated
        is_migrated = migrate_bookings(db, utc_now()) and is_migrated
        is_migrated = migrate_payments(db, utc_now()) and is_migrated
        is_migrated = migrate_waitlist(db, utc_now()) and is_migrated
        organizers.record_members(db)
        is_migrated = untold_holders.record_untold(db, utc_now()) and is_migrated
        if count_cells(db, utc_now()) and is_migrated:
            database.record_schema_version(db)
    timekeeping.prepare(db, utc_now(), default_zone)


def set_up_services(app: Flask, config: Config, db: Db) -> None:
    """Build the objects that routes look up by an AppKey: the event cache, the hub and others."""
    JOB_STATUS.set(app, jobs.get_job_status)
    MAIL_SEALER.set(app, Sealer(config.jwt_secret, SEAL_PURPOSE))
    webhooks.WEBHOOK_SEALER.set(app, Sealer(config.jwt_secret, webhooks.SEAL_PURPOSE))
    UNSUBSCRIBE_KEYS.set(app, UnsubscribeKeys(config.jwt_secret))
    shared_cache = open_shared_cache(config.cache_url, config.jwt_secret)
    cache_budget = CacheBudget(config.cache_mb)
    android.set_cache_budget(cache_budget)
    event_cache = EventCache(db, shared_cache, config.default_zone, cache_budget)
    EVENT_CACHE.set(app, event_cache)
    popularity = Popularity(db)
    POPULARITY.set(app, popularity)
    set_up_page_payment(app, config)
    record_writers = partial(WRITE_RECORDER.get(app).record_all, db)
    context = build_booking_context(config, db, event_cache, popularity.add_booking, record_writers)
    BOOKING_CONTEXT.set(app, context)
    INVENTORY.set(app, context.inventory)
    RECEIPT_ISSUER.set(app, ReceiptIssuer(db))
    TICKET_COUNTER.set(app, ticket_limit.count_tickets)
    PERSONAL_DATA_HANDLERS.set(
        app,
        PersonalDataHandlers(
            (make_withdrawal(context), *FORGET_FUNCTIONS),
            EXPORT_FUNCTIONS,
            EventOwnership(
                partial(ownership.has_open_events, db),
                make_transfer(context),
            ),
        ),
    )
    HUB.set(app, build_hub(db, config.max_streams_per_address))


def make_transfer(context: BookingContext) -> Callable[[ObjectId, ObjectId, datetime], None]:
    """Return the function that transfers the events and the figures of an organizer."""

    def transfer(old_id: ObjectId, new_id: ObjectId, now: datetime) -> None:
        event_transfer.transfer_all_events(context, old_id, new_id, now)
        sales_sums.recount_all(context.db)

    return transfer


def make_withdrawal(context: BookingContext) -> ForgetFunction:
    """Return the function that gives back the tickets that a deleted user holds or is offered."""
    return lambda _db, user_id: offer_answers.withdraw_user(context, user_id, utc_now())


def register_blueprints(app: Flask, api: Api) -> None:
    """Register the routes of every feature."""
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    for blueprint in UNDOCUMENTED_BLUEPRINTS:
        app.register_blueprint(blueprint)
    document_webhooks(api.spec)


def build_booking_context(
    config: Config,
    db: Db,
    event_changes: EventChanges = NO_EVENT_CACHE,
    on_booked: Callable[[int], None] = lambda _event_id: None,
    record_writers: RecordWriters = lambda _user_ids: None,
) -> BookingContext:
    """Build the objects and limits that the functions of `bookings` take as their context.

    Scripts call this without an application, and leave the default arguments.

    Args:
        event_changes: receives the events that bookings change.
        on_booked, record_writers: as in `BookingContext`.
    """
    base_url = config.public_base_url or f"http://{config.host}:{config.port}"
    sealer = Sealer(config.jwt_secret, SEAL_PURPOSE)
    settings = (config.smtp_url, config.mail_from, base_url)
    keys = (UnsubscribeKeys(config.jwt_secret), LinkKeys(config.jwt_secret))
    outbox = open_outbox(*settings, sealer, *keys, tickets.draw_ticket_codes)
    return BookingContext(
        db,
        inventory=Inventory(db, event_changes, CacheBudget(config.cache_mb)),
        limits=read_booking_limits(config),
        payments=open_payment_providers(config),
        outbox=outbox,
        ticket_attachments=tickets.build_ticket_attachments,
        on_booked=on_booked,
        event_changes=event_changes,
        forget_functions=FORGET_FUNCTIONS,
        default_zone=config.default_zone,
        webhook_sealer=Sealer(config.jwt_secret, webhooks.SEAL_PURPOSE),
        allow_private_webhooks=config.webhook_allow_private,
        link_keys=outbox.link_keys,
        record_writers=record_writers,
    )


def read_booking_limits(config: Config) -> Limits:
    """Return the limits of bookings from the settings."""
    return Limits(
        per_booking=config.max_tickets_per_booking,
        per_user=config.max_tickets_per_user,
        cancellation_cutoff=timedelta(hours=config.cancellation_cutoff_hours),
        hold=timedelta(minutes=config.hold_minutes),
        offer=timedelta(minutes=config.waitlist_offer_minutes),
        currency=config.currency,
        requires_verified_email=config.require_verified_email,
    )


def build_hub(db: Db, max_per_address: int) -> Hub:
    """Build the hub of this process's streams, which polls for events and for notifications."""
    hub = Hub(ConnectionLimits(max_per_address=max_per_address))
    hub.add_poll(event_stream.TOPIC_KIND, event_stream.EventPoller(db, hub).refresh)
    hub.add_poll(live_notifications.TOPIC_KIND, live_notifications.NotificationPoller(db).refresh)
    return hub


def start_jobs_if_embedded(app: Flask) -> Callable[[], None]:
    """Start the background jobs in this process if the store is embedded.

    No other process can open an embedded store. On MongoDB, `scripts/worker.py` runs the jobs.

    Returns:
        Starts no more jobs and waits for those that run. Call it before the store is closed.
    """
    if CONFIG.get(app).mongo_uri is not None:
        return lambda: None
    scheduler = jobs.start_scheduler(BOOKING_CONTEXT.get(app))
    return partial(scheduler.shutdown, wait=True)
