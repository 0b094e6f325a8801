"""The teams of organizers."""
