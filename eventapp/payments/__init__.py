"""Takes and refunds money. To add a payment provider, add a class to `payments.providers`."""
