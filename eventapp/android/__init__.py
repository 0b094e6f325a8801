"""The calls of the shipped Android app, answered as its Gson models need them."""
