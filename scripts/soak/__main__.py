"""Run the command of `scripts.soak.cli`."""

import sys

from scripts.bench.wrk import BenchFailed
from scripts.soak.cli import main

try:
    sys.exit(main())
except BenchFailed as error:
    sys.exit(f"soak: {error}")
