"""What has to be done without anyone asking."""
