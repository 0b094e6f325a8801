"""The API of the released Android app, with bodies that its Gson models can read."""
