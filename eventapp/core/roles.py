"""The roles of accounts, in ascending order of their permissions."""

ATTENDEE, ORGANIZER, ADMIN = "attendee", "organizer", "admin"
ROLES = (ATTENDEE, ORGANIZER, ADMIN)
