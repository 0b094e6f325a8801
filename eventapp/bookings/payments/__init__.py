"""Take, settle, reconcile and refund the payments of bookings."""
