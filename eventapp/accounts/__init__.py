"""User accounts: registration, roles, profiles, passwords and sessions."""
