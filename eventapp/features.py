"""What each feature adds to the application: its indexes and routes, erasure and export."""

from eventapp.accounts import api_tokens, device_tokens
from eventapp.accounts import routes as accounts_routes
from eventapp.accounts import store as accounts_store
from eventapp.accounts import store_api_tokens as api_tokens_store
from eventapp.analytics import routes as analytics_routes
from eventapp.analytics import store_money as money_store
from eventapp.analytics import store_payments as payment_lists_store
from eventapp.analytics import store_ranking as ranking_store
from eventapp.analytics import store_sums as analytics_store
from eventapp.android import routes as android_routes
from eventapp.announcements import log_notes as announcement_log
from eventapp.announcements import routes as announcements_routes
from eventapp.announcements import store as announcements_store
from eventapp.bookings import routes as bookings_routes
from eventapp.bookings import service as bookings
from eventapp.bookings import store as bookings_store
from eventapp.bookings import store_payments
from eventapp.bookings.ledger import store as ledger_store
from eventapp.devices import routes as devices_routes
from eventapp.due_work import store as due_work_store
from eventapp.events import event_log, log_lists
from eventapp.events import routes as events_routes
from eventapp.events import store as events_store
from eventapp.events import store_deletions as deletions_store
from eventapp.events import store_log as event_log_store
from eventapp.events.routes import early as early_events
from eventapp.favorites import service as favorites
from eventapp.favorites import store as favorites_store
from eventapp.health import routes as health_routes
from eventapp.inventory import store as inventory_store
from eventapp.media import routes as media_routes
from eventapp.media import service as media
from eventapp.media import store as media_store
from eventapp.messages import routes as messages_routes
from eventapp.messages import service as messages
from eventapp.messages import store as messages_store
from eventapp.notifications import routes as notifications_routes
from eventapp.notifications import service as notifications
from eventapp.notifications import store as notifications_store
from eventapp.notifications import store_outbox as outbox_store
from eventapp.organizers import routes as organizers_routes
from eventapp.organizers import service as organizers
from eventapp.organizers import store as organizers_store
from eventapp.pages import routes as pages_routes
from eventapp.payments import store_events as payment_events_store
from eventapp.promotions import routes as promotions_routes
from eventapp.receipts import routes as receipts_routes
from eventapp.receipts import service as receipts
from eventapp.receipts import store as receipts_store
from eventapp.tickets import routes as tickets_routes
from eventapp.tickets import service as tickets
from eventapp.waitlist import listing as waitlist_lists
from eventapp.waitlist import routes as waitlist_routes
from eventapp.waitlist import service as waitlist
from eventapp.waitlist import store as waitlist_store
from eventapp.webhooks import personal_data as webhook_data
from eventapp.webhooks import routes as webhooks_routes
from eventapp.webhooks import store as webhooks_store
from eventapp.webhooks import store_deliveries

# The indexes that every feature needs, by collection; `prepare_database` creates them.
INDEXES = (
    accounts_store.INDEXES,
    api_tokens_store.INDEXES,
    organizers_store.INDEXES,
    favorites_store.INDEXES,
    events_store.INDEXES,
    deletions_store.INDEXES,
    event_log_store.INDEXES,
    inventory_store.INDEXES,
    waitlist_store.INDEXES,
    bookings_store.INDEXES,
    store_payments.INDEXES,
    ledger_store.INDEXES,
    receipts_store.INDEXES,
    payment_events_store.INDEXES,
    media_store.INDEXES,
    messages_store.INDEXES,
    announcements_store.INDEXES,
    notifications_store.INDEXES,
    outbox_store.INDEXES,
    analytics_store.INDEXES,
    money_store.INDEXES,
    payment_lists_store.INDEXES,
    due_work_store.INDEXES,
    ranking_store.INDEXES,
    webhooks_store.INDEXES,
    store_deliveries.INDEXES,
)
RETIRED_INDEXES = {
    **accounts_store.RETIRED_INDEXES,
    **events_store.RETIRED_INDEXES,
    **waitlist_store.RETIRED_INDEXES,
}
# Every feature's routes. The OpenAPI document lists the paths in this order.
BLUEPRINTS = (
    *health_routes.BLUEPRINTS,
    *accounts_routes.BLUEPRINTS,
    *organizers_routes.BLUEPRINTS,
    *events_routes.BLUEPRINTS,
    *waitlist_routes.BLUEPRINTS,
    *bookings_routes.BLUEPRINTS,
    *receipts_routes.BLUEPRINTS,
    *promotions_routes.BLUEPRINTS,
    *tickets_routes.BLUEPRINTS,
    *devices_routes.BLUEPRINTS,
    *webhooks_routes.BLUEPRINTS,
    *messages_routes.BLUEPRINTS,
    *announcements_routes.BLUEPRINTS,
    *notifications_routes.BLUEPRINTS,
    *analytics_routes.BLUEPRINTS,
    *android_routes.BLUEPRINTS,
    *pages_routes.DOCUMENTED_BLUEPRINTS,
)
# They read the requests that are answered before Flask.
EARLY_REQUEST_READERS = (early_events.read_request, health_routes.read_request)
# Routes that no client of the API calls, so the document has none of them.
UNDOCUMENTED_BLUEPRINTS = (
    *media_routes.BLUEPRINTS,
    *pages_routes.BLUEPRINTS,
)
# How each feature removes what it stores about a user. `tickets` is absent: it stores check-ins in
# bookings, from which `bookings` removes the user.
FORGET_FUNCTIONS = (
    organizers.forget_user,
    favorites.forget_user,
    waitlist.forget_user,
    bookings.forget_user,
    receipts.forget_user,
    media.forget_user,
    messages.forget_user,
    # This moves entries, from which the next one then removes the user.
    announcement_log.forget_user,
    event_log.forget_user,
    # This comes after `bookings`, so that no delivery is made of a booking with its holder.
    webhook_data.forget_user,
    # Notifications come last, because removing the rest may still notify the user.
    notifications.forget_user,
)
# How each feature exports what it stores about a user.
EXPORT_FUNCTIONS = (
    api_tokens.export_user,
    device_tokens.export_user,
    organizers.export_user,
    favorites.export_user,
    waitlist_lists.export_user,
    bookings.export_user,
    receipts.export_user,
    tickets.export_user,
    media.export_user,
    messages.export_user,
    log_lists.export_user,
    webhook_data.export_user,
    notifications.export_user,
)
