"""The HTTP edge: requests parsed, answers and errors rendered, the API documented."""
