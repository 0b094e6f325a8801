"""Take and refund money. To add a payment provider, add a class to `payments.providers`."""
