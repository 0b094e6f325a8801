"""Sales figures for organizers and admins, and the server's health."""
