"""The background jobs: what they do, how often they run, and how their last runs ended."""
