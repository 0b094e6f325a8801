"""Who calls and what they may do: tokens, roles, passwords, rate limits."""
