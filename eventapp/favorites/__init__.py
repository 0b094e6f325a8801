"""Favorites: the events that users, devices and the shared guest have marked."""
