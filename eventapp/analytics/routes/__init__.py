"""Routes of sales figures, payments, the administration and the dashboard page."""

from eventapp.analytics.routes import admin, dashboard, figures, payments

BLUEPRINTS = (
    figures.bp,
    figures.events_bp,
    admin.bp,
    payments.bp,
    payments.own_bp,
    payments.events_bp,
    dashboard.bp,
)
