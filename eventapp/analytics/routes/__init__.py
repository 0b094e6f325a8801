"""Routes of sales figures, payments and the administration."""

from eventapp.analytics.routes import admin, figures, payments

BLUEPRINTS = (
    figures.bp,
    figures.events_bp,
    admin.bp,
    payments.bp,
    payments.own_bp,
    payments.events_bp,
)
