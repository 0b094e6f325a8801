"""The in-process document store that is used where no MongoDB server is set."""

from eventapp.core.embedded.client import open_embedded
from eventapp.core.embedded.disk import EmbeddedStoreBusy

__all__ = ["EmbeddedStoreBusy", "open_embedded"]
