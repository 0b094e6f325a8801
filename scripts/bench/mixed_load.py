"""Mixed load: users read, search, favorite, book and sign up, and the memory is read meanwhile."""

import time
from collections.abc import Callable

from scripts.bench.data import BenchmarkData
from scripts.bench.server import Server, read_resident_mb
from scripts.bench.wrk import BenchmarkError
from scripts.soak.traffic import TrafficLog, run_traffic

SAMPLE_SECONDS = 60.0


def measure_mixed_load(
    server: Server, data: BenchmarkData, minutes: float, report: Callable[[str], None]
) -> list[list[float]]:
    """Send the traffic of the soak test, and report the memory of each process every minute.

    Answers of 503 are counted and no fault: they come from a busy machine, and nothing is timed.

    Args:
        report: is called with a line for each sample.

    Returns:
        The resident memory of the main process and of each server process, in MB, at each sample.
        The last sample is that at the end.

    Raises:
        BenchmarkError: an answer was wrong.
    """
    log, samples = TrafficLog(database_down=True), []
    ends_at = time.monotonic() + 60 * minutes
    with run_traffic(server.port, data.tokens, data.mixed, log):
        while (left := ends_at - time.monotonic()) > 0:
            time.sleep(min(SAMPLE_SECONDS, left))
            samples.append([read_resident_mb(pid) for pid in server.find_pids()])
            report(
                format_sample(minutes - max(0, ends_at - time.monotonic()) / 60, samples[-1], log)
            )
    if log.faults:
        raise BenchmarkError(f"mixed load: {dict(log.faults.most_common(3))}")
    return samples


def format_sample(minutes: float, sizes: list[float], log: TrafficLog) -> str:
    """Return a line with the memory of the processes and the number of answers so far."""
    shown, answers = ", ".join(f"{size:.0f}" for size in sizes), sum(log.statuses.values())
    return f"after {minutes:.1f} min: {shown} MB, {answers:,} answers, {log.statuses[503]} of 503"
