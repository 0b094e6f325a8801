"""The in-memory index of listed events; `live_index` is its interface."""
