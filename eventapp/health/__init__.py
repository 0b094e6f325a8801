"""Liveness, readiness and metrics of the server, for monitoring and load balancers."""
