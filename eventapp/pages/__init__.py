"""The pages that people open in a browser: events, booking, accounts, the console and the door."""
