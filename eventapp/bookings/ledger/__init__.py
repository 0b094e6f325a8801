"""Record every change of tickets and money of a booking, in the booking and in the ledger."""
