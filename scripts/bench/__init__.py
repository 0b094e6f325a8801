"""The benchmark: `python -m scripts.bench` measures the table of docs/performance.md."""
