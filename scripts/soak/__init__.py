"""The soak test: `python -m scripts.soak` runs mixed traffic and watches memory and latency."""
