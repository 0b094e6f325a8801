"""Mutation tests: run by hand, `python -m tests.mutation FEATURE`."""
