"""Run the soak test from the command line."""

import sys

from scripts.bench.wrk import BenchmarkError
from scripts.soak.cli import main

try:
    sys.exit(main())
except BenchmarkError as error:
    sys.exit(f"soak: {error}")
