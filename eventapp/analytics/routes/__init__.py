"""Routes of sales figures, the administration and the dashboard page."""

from eventapp.analytics.routes import admin, dashboard, figures

BLUEPRINTS = (
    figures.bp,
    figures.events_bp,
    admin.bp,
    dashboard.bp,
)
