"""Routes of teams and of profiles of organizers. BLUEPRINTS lists them."""

from eventapp.organizers.routes import profiles, teams

BLUEPRINTS = (profiles.bp, teams.bp, teams.memberships_bp)
