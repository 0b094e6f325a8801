"""Why a promo code cannot be changed, deleted or found."""

from eventapp.core.errors import Conflict, NotFound


class PromoCodeNotFound(NotFound):
    """The event has no promo code with this id."""

    code, message = "promo_code_not_found", "Promo code not found"


class CodeInUse(Conflict):
    """The promo code was used, so it keeps its spelling and is not deleted."""

    code = "code_in_use"
    message = "This promo code was used; it can only be set inactive"


class BelowUsed(Conflict):
    """The new limit is below the uses of the promo code, which are in `used`."""

    code, message = "below_used", "The promo code was used more often than this"
