"""What a client without a token may send or hold back: nothing of it stops or slows the server."""
