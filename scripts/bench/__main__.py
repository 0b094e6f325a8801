"""Run the command of `scripts.bench.cli`."""

import sys

from scripts.bench.cli import main

sys.exit(main())
