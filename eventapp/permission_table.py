"""Say for each route which callers may use it, for which accounts, and by which tokens.

`eventapp/core/access/actions.py` explains the columns, and `eventapp/core/access/permissions.py`
enforces them. The application does not start if a route has no row here, if a row names no route,
or if a row and the decorator of its route differ.
"""

from eventapp.core.access.actions import (
    ADMINS,
    ANALYTICS_READ,
    ANY_ADMIN,
    ANY_ORGANIZER,
    ANY_USER,
    ANYONE,
    ATTENDEES_READ,
    BOOKINGS_READ,
    BOOKINGS_WRITE,
    CHECK_IN,
    EVENTS_READ,
    EVENTS_WRITE,
    MANAGE_DEVICES,
    MANAGERS,
    NO_TEAM,
    NOBODY,
    ORGANIZERS,
    READERS,
    SELF_OR_ADMIN,
    USERS,
    WEBHOOKS,
    WHOLE_TEAM,
    Action,
    build_permission_table,
)

# Each row: name, callers, own, foreign, scope, team; then the endpoints of its routes.
ROWS = (
    # Routes that do not identify their caller. They ignore API tokens as they ignore all tokens.
    (
        Action("read pages and files", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        (
            *("home.show_home", "health.healthz", "health.metrics", "health.readyz"),
            *("api_health.healthz", "console_account.redirect_dashboard", "media.image"),
            *("account_links.verify", "account_links.reset", "account_links.void_email_change"),
            *("account_links.forgot", "account_links.invitation", "unsubscribe_page.unsubscribe"),
            *("page_files.show_file", "page_files.show_texts"),
            *("public_pages.show_event", "public_pages.show_organizer"),
            *("sitemaps.show_robots", "sitemaps.show_sitemap", "sitemaps.show_part"),
            *("door_page.show_door", "door_page.show_worker", "door_page.show_manifest"),
            *("swagger_ui.show", "api-docs.openapi_json"),
        ),
    ),
    (
        Action("register and log in", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        ("auth.register", "users.register", "auth.log_in", "users.log_in", "auth.refresh"),
    ),
    (
        Action("use pages, by their cookie", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        (
            "account_token.create_token",
            *("account_sign_in.show_sign_in", "account_sign_in.submit_sign_in"),
            *("account_sign_in.show_sign_up", "account_sign_in.submit_sign_up"),
            *("account_sign_in.show_sign_out", "account_sign_in.submit_sign_out"),
            *("booking_pages.show_booking", "booking_pages.create_token"),
            *("booking_pages.show_calendar", "booking_pages.show_receipt"),
            *("account.show_start", "account.show_bookings", "account.show_waitlist"),
            *("account.show_notifications", "account.show_profile", "account.show_sessions"),
            *("account.show_preferences", "account.show_data"),
        ),
    ),
    (
        Action("use the console, by the cookie of pages", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        (
            *("console.show_events", "console.show_event", "console.show_new_event"),
            "console.edit_event",
            *("console_account.show_figures", "console_account.show_team"),
            *("console_account.show_webhooks", "console_account.show_tokens"),
            *("console_event.show_orders", "console_event.show_attendees"),
            *("console_event.show_waitlist", "console_event.show_announcements"),
            *("console_event.show_devices", "console_event.show_codes"),
            *("console_event.show_log", "console_event.show_figures"),
        ),
    ),
    (
        Action("recover an account", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        (
            "recovery.forgot_password",
            "recovery.reset_password",
            "recovery.verify_email",
            "recovery.void_email_change",
        ),
    ),
    (
        Action("pair a device, with a code", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        ("device_pairing.pair_device",),
    ),
    (
        Action("unsubscribe by the key of a mail", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        ("unsubscribe.unsubscribe",),
    ),
    (
        Action("report payments, with a signature", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        ("payment_webhooks.receive_event",),
    ),
    (
        Action("use the Android app", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        (
            *("android.list_events", "android.list_favorites", "android.add_favorite"),
            *("android.remove_favorite", "android.recommend", "android.register"),
            *("android.change_profile", "android.log_in"),
        ),
    ),
    (
        Action("open the link of a booking, with a key", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        ("booking_links.open_link",),
    ),
    # Events.
    (
        Action(
            "see events",
            ANYONE,
            ORGANIZERS,
            ADMINS,
            EVENTS_READ,
            READERS,
            keeps_events=True,  # also the routes whose method is POST: recommendations and quotes
        ),
        (
            *("events.list_events", "events.show_event", "events.popular_events"),
            "events.suggest_texts",
            *("recoms.recommend", "event_parts.list_types", "availability.show_availability"),
            *("event_quotes.make_quote", "messages.list_messages", "streams.stream_event"),
            *("organizer_profiles.show_profile", "organizer_events.list_events"),
        ),
    ),
    (
        Action("follow public events", ANYONE, NOBODY, NOBODY, None, NO_TEAM),
        ("changes.list_changes", "feeds.event_feed", "feeds.list_feed", "feeds.organizer_feed"),
    ),
    (
        Action("keep favorites", ANYONE, ORGANIZERS, ADMINS, None, READERS),
        (
            *("favorites.list_favorites", "favorites.add_favorite", "favorites.remove_favorite"),
            "favorites.remove_favorite_by_path",
        ),
    ),
    (
        Action("write in chats", ANY_USER, ORGANIZERS, ADMINS, None, MANAGERS),
        ("messages.write_message", "messages.delete_message"),
    ),
    (
        Action(
            "create events",
            ANY_ORGANIZER,
            ORGANIZERS,
            ADMINS,
            EVENTS_WRITE,
            MANAGERS,
            is_account_wide=True,
        ),
        ("events.create_event",),
    ),
    (
        Action("edit events", ANY_ORGANIZER, ORGANIZERS, ADMINS, EVENTS_WRITE, MANAGERS),
        (
            *("events.replace_event", "events.publish_event", "event_bookings.cancel_event"),
            *("event_photos.set_photo", "event_parts.add_type", "event_parts.patch_type"),
            *("event_parts.drop_type", "event_parts.patch_type_by_index"),
            *("event_parts.patch_schedule_entry", "quotas.create_quota", "quotas.patch_quota"),
            *("quotas.delete_quota", "promo_codes.create_promo_code"),
            *("promo_codes.patch_promo_code", "promo_codes.delete_promo_code"),
        ),
    ),
    (
        Action(
            "duplicate events",
            ANY_ORGANIZER,
            ORGANIZERS,
            ADMINS,
            EVENTS_WRITE,
            MANAGERS,
            is_account_wide=True,
        ),
        ("event_duplicates.duplicate_event",),
    ),
    (
        Action("delete events", ANY_ORGANIZER, ORGANIZERS, ADMINS, EVENTS_WRITE, NO_TEAM),
        ("event_bookings.delete_event",),
    ),
    (
        Action(
            "see quotas and promo codes", ANY_ORGANIZER, ORGANIZERS, ADMINS, EVENTS_READ, READERS
        ),
        ("quotas.list_quotas", "promo_codes.list_promo_codes"),
    ),
    (
        Action("see the log of an event", ANY_ORGANIZER, ORGANIZERS, ADMINS, EVENTS_READ, READERS),
        ("event_log.list_entries",),
    ),
    (
        Action("write announcements", ANY_ORGANIZER, ORGANIZERS, ADMINS, EVENTS_WRITE, MANAGERS),
        ("announcements.write_announcement", "announcements.delete_announcement"),
    ),
    (
        Action("see announcements", ANY_ORGANIZER, ORGANIZERS, ADMINS, EVENTS_READ, READERS),
        ("announcements.list_announcements",),
    ),
    (
        Action(
            "see bookings of an event", ANY_ORGANIZER, ORGANIZERS, ADMINS, BOOKINGS_READ, READERS
        ),
        (
            *("event_bookings.event_bookings", "event_figures.event_bookings_csv"),
            "event_payments.event_payments_csv",
        ),
    ),
    (
        Action(
            "see attendees of an event",
            ANY_ORGANIZER,
            ORGANIZERS,
            ADMINS,
            ATTENDEES_READ,
            READERS,
        ),
        (
            *("event_attendees.list_attendees", "event_figures.event_attendees_csv"),
            "event_waitlists.list_waitlist",
        ),
    ),
    (
        Action(
            "see figures of an event", ANY_ORGANIZER, ORGANIZERS, ADMINS, ANALYTICS_READ, READERS
        ),
        ("event_figures.event_stats",),
    ),
    (
        Action(
            "see figures of all events",
            ANY_ORGANIZER,
            ORGANIZERS,
            ADMINS,
            ANALYTICS_READ,
            NO_TEAM,
            is_account_wide=True,
        ),
        ("analytics.overview", "analytics.revenue", "analytics.events"),
    ),
    (
        Action(
            "see money of all events",
            ANY_ORGANIZER,
            ORGANIZERS,
            ADMINS,
            BOOKINGS_READ,
            NO_TEAM,
            is_account_wide=True,
        ),
        ("own_payments.own_payments_csv",),
    ),
    (
        Action(
            "check in",
            ANY_ORGANIZER,
            ORGANIZERS,
            ADMINS,
            CHECK_IN,
            WHOLE_TEAM,
            keeps_events=True,
        ),
        ("door.check_in", "door.check_in_list", "door.check_in_batch"),
    ),
    (
        Action("undo check-ins", ANY_ORGANIZER, ORGANIZERS, ADMINS, None, MANAGERS),
        ("door.undo_check_in",),
    ),
    (
        MANAGE_DEVICES,
        (
            *("devices.create_device", "devices.list_devices", "devices.renew_link"),
            "devices.end_device",
        ),
    ),
    (
        Action("manage webhooks", ANY_ORGANIZER, ORGANIZERS, NOBODY, WEBHOOKS, NO_TEAM),
        (
            *("webhooks.list_webhooks", "webhooks.create_webhook", "webhooks.change_webhook"),
            *("webhooks.delete_webhook", "webhooks.rotate_secret", "webhooks.list_deliveries"),
            *("webhooks.replay_delivery", "webhooks.send_test"),
        ),
    ),
    # Bookings and waitlists. A booking is also own to the organizer of its event.
    (
        Action(
            "list own bookings",
            ANY_USER,
            USERS,
            ADMINS,
            BOOKINGS_READ,
            NO_TEAM,
            is_account_wide=True,
        ),
        (
            *("bookings.my_bookings", "user_bookings.users_bookings", "waitlist.my_places"),
            "offers.my_offers",
        ),
    ),
    (
        Action("see bookings", ANY_USER, USERS, ADMINS, BOOKINGS_READ, READERS, is_for_links=True),
        (
            *("bookings.show_booking", "bookings.show_by_reference", "tickets.booking_tickets"),
            *("tickets.booking_calendar", "tickets.ticket_png", "tickets.ticket_svg"),
            "receipts.show_receipt",
        ),
    ),
    (
        Action("book and wait", ANY_USER, USERS, ADMINS, BOOKINGS_WRITE, NO_TEAM),
        (
            *("bookings.create_booking", "waitlist.join_waitlist", "waitlist.join"),
            "offers.leave_waitlist",
        ),
    ),
    (
        Action(
            "complete bookings",
            ANY_USER,
            USERS,
            ADMINS,
            BOOKINGS_WRITE,
            NO_TEAM,
            is_for_links=True,
        ),
        (
            *("bookings.confirm_booking", "bookings.begin_payment", "offers.accept_offer"),
            "ticket_attendees.set_attendee",
        ),
    ),
    (
        Action(
            "cancel bookings",
            ANY_USER,
            USERS,
            ADMINS,
            BOOKINGS_WRITE,
            MANAGERS,
            is_for_links=True,
        ),
        ("bookings.cancel_booking", "bookings.delete_booking", "bookings.cancel_tickets"),
    ),
    (
        Action("send tickets again", ANY_USER, USERS, ADMINS, BOOKINGS_WRITE, MANAGERS),
        ("bookings.resend_tickets",),
    ),
    (
        Action("replace the link of a booking", ANY_USER, USERS, NOBODY, None, NO_TEAM),
        ("booking_links.rotate_link",),
    ),
    # Teams of organizers.
    (
        Action("manage the own team", ANY_ORGANIZER, ORGANIZERS, NOBODY, None, NO_TEAM),
        (
            *("teams.list_members", "teams.invite", "teams.change_member", "teams.remove_member"),
            "teams.withdraw_invitation",
        ),
    ),
    (
        Action("write the own profile", ANY_ORGANIZER, ORGANIZERS, NOBODY, None, NO_TEAM),
        ("organizer_profiles.show_own_profile", "organizer_profiles.replace_own_profile"),
    ),
    (
        Action("join and leave teams", ANY_USER, USERS, NOBODY, None, NO_TEAM),
        (
            *("memberships.accept_invitation", "memberships.list_memberships"),
            "memberships.leave_team",
        ),
    ),
    # Accounts.
    (
        Action(
            "use the own account",
            ANY_USER,
            USERS,
            NOBODY,
            None,
            NO_TEAM,
            keeps_events=True,
        ),
        (
            *("auth.log_out", "auth.show_profile", "auth.change_profile", "auth.change_password"),
            *("auth.list_sessions", "auth.end_session", "recovery.resend_verification"),
            *("notifications.my_notifications", "notifications.read_one", "notifications.read_all"),
            "live_notifications.stream_notifications",
        ),
    ),
    (
        Action("manage API tokens", ANY_USER, USERS, NOBODY, None, NO_TEAM),
        ("api_tokens.create_token", "api_tokens.list_tokens", "api_tokens.end_token"),
    ),
    (
        Action("manage an account", SELF_OR_ADMIN, USERS, ADMINS, None, NO_TEAM),
        (
            *("users.show_user", "users.change_user", "users.delete_user", "users.export_user"),
            *("user_photos.set_photo", "user_photos.show_gallery", "user_photos.add_to_gallery"),
            "user_photos.delete_from_gallery",
        ),
    ),
    (
        Action("administer", ANY_ADMIN, ADMINS, ADMINS, None, NO_TEAM),
        (
            *("admin.dashboard", "admin.events", "admin.health", "admin.users", "admin.waitlist"),
            *("admin_payments.list_payments", "admin_payments.payments_csv"),
            "admin_payments.retry_payment",
            *("users.list_users", "auth.create_admin"),
        ),
    ),
)

TABLE = build_permission_table(ROWS)
