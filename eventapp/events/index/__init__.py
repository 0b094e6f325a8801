"""The in-memory index of listed events. Other packages use `live_index` and `matches`."""
