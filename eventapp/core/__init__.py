"""What every feature may use. It imports no feature, only `eventapp.config`."""
