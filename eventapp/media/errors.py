"""The errors of uploading, storing and finding photos."""

from eventapp.core.errors import (
    AppError,
    Conflict,
    NotFound,
    TooLarge,
    UnsupportedMediaType,
    ValidationFailed,
)


class NotAPhoto(UnsupportedMediaType):
    """The file is neither JPEG nor PNG nor WebP."""

    code, message = "unsupported_image", "Send a JPEG, PNG or WebP image"


class AnimatedPhoto(UnsupportedMediaType):
    """The file contains more than one picture."""

    code, message = "animated_image", "Animated images are not taken"


class DamagedPhoto(ValidationFailed):
    """The file begins like a photo but cannot be decoded."""

    code, message = "damaged_image", "The image is damaged or incomplete"

    def __init__(self) -> None:
        super().__init__(errors={"file": [self.message]})


class TooManyPixels(TooLarge):
    """Decoding the photo would take too much memory."""

    code, message = "too_many_pixels", "The image has too many pixels or too long a side"


class PhotosBusy(AppError):
    """Other uploads are being encoded. Only one is encoded at a time, to limit memory use."""

    status, code, message = 503, "photos_busy", "Too many photos at once; try again shortly"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class PhotoNotFound(NotFound):
    """There is no photo with this content, or the gallery has no photo with this id."""

    code, message = "image_not_found", "Image not found"


class GalleryFull(Conflict):
    """The gallery holds as many photos as are allowed."""

    code, message = "gallery_full", "The gallery is full; delete an image first"
