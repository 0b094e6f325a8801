"""The stock of tickets: taken and given back so that none is ever sold twice or lost."""
