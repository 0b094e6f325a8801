"""Routes of teams. BLUEPRINTS lists them."""

from eventapp.organizers.routes import teams

BLUEPRINTS = (teams.bp, teams.memberships_bp)
