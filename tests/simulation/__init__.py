"""Simulate clients, servers and workers on the embedded store in one thread, from a seed.

Each test of this package runs whole histories: buyers, an organizer and a payment provider use
several simulated processes of the application at once. A scheduler lets one of them run until its
next call of the store, and then chooses the next one at random. At such a point it may also kill a
process, suspend one for a minute, or lose a request to the store or its reply. In some histories
clocks jump, and a mail server refuses mails or loses its answers.
After each step the invariants of the stock are checked, and all others once everything is at rest.

The seed of the random numbers determines the whole history: `python -m tests.simulation SEED`
repeats it and prints every step. `scheduler` runs the tasks, `store` and `provider` are what they
call, `history` is what clients do, and `invariants` says what must hold.
"""
