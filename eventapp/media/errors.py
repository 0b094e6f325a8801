"""Why a photo can't be taken, kept or found."""

from eventapp.core.errors import (
    AppError,
    Conflict,
    NotFound,
    TooLarge,
    UnsupportedMediaType,
    ValidationFailed,
)


class NotAPhoto(UnsupportedMediaType):
    code, message = "unsupported_image", "Send a JPEG, PNG or WebP image"


class AnimatedPhoto(UnsupportedMediaType):
    code, message = "animated_image", "Animated images are not taken"


class DamagedPhoto(ValidationFailed):
    code, message = "damaged_image", "The image is damaged or incomplete"

    def __init__(self) -> None:
        super().__init__(errors={"file": [self.message]})


class TooManyPixels(TooLarge):
    code, message = "too_many_pixels", "The image has more than 40 megapixels"


class PhotosBusy(AppError):
    """Photos are worked on one at a time, so that many at once can't take all memory."""

    status, code, message = 503, "photos_busy", "Too many photos at once; try again shortly"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class PhotoNotFound(NotFound):
    code, message = "image_not_found", "Image not found"


class GalleryFull(Conflict):
    code, message = "gallery_full", "The gallery is full; delete an image first"
