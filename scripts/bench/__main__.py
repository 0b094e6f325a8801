"""Run the benchmark from the command line."""

import sys

from scripts.bench.cli import main

sys.exit(main())
