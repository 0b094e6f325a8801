"""How server processes run: sockets, the request gate, Granian."""
