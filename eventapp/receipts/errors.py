"""Why there is no receipt."""

from eventapp.core.errors import Conflict


class NoReceipt(Conflict):
    """The booking was never paid: it is held, free, or ended before it was confirmed."""

    code, message = "no_receipt", "The booking was never paid, so it has no receipt"
