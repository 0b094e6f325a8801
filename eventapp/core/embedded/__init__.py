"""The in-process document store that is used where no MongoDB server is set."""
