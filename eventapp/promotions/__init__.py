"""Promo codes of events, for their organizers. `inventory` takes and gives back their uses."""
