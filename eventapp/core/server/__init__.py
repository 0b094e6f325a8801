"""How the server processes run: Granian, sockets, WSGI middleware, signals and resource limits."""
