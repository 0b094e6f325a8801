"""Payment providers: what one must do, and the mock."""
