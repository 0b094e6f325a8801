"""Door devices: phones and scanners that check tickets in at one event without an account."""
