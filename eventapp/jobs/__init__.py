"""The background jobs: which there are, how often they run, and how their last runs ended."""
