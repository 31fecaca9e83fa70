"""The coordinator: which issue starts next, how many at once, and when a run is at its end."""
