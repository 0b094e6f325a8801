"""Run server processes: Granian, sockets, WSGI middleware, signals and resource limits."""
