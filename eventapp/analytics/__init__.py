"""Sales figures for organizers and admins, the dashboard page, and the server's health."""
