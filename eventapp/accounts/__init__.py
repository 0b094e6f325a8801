"""Who people are: accounts, passwords, roles, and the sessions they are signed in by."""
