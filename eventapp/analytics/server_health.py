"""How the server does: its database, this process, all processes' requests, and what waits."""

import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from eventapp.analytics import store_events, store_health
from eventapp.core import metrics
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db
from eventapp.notifications import service as notifications

JobStatus = Callable[[Db], Mapping[str, Mapping[str, object]]]
JOB_STATUS: AppKey[JobStatus] = AppKey("job_status")

_STARTED = time.monotonic()
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def health(db: Db, now: datetime, *, job_status: JobStatus) -> dict[str, Any]:
    """Milliseconds, MiB, shares from 0 to 1.

    Args:
        job_status: tells of each job's last run.
    """
    database = store_health.ping(db)
    reached = database["status"] == "ok"
    return {
        "status": "ok" if reached else "degraded",
        "time": now,
        "database": database,
        "process": process(),
        "requests": requests(),
        "queues": store_events.queues(db) if reached else {},
        "mail": notifications.mail_health(db) if reached else {},
        "jobs": job_status(db) if reached else {},
    }


def process() -> dict[str, Any]:
    """Memory and CPU of this server process and the machine's load."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds, alive = used.ru_utime + used.ru_stime, time.monotonic() - _STARTED
    return {
        "pid": os.getpid(),
        "uptimeSeconds": round(alive, 1),
        "memoryMiB": round(_resident_bytes(used.ru_maxrss * 1024) / 2**20, 1),
        "peakMemoryMiB": round(used.ru_maxrss / 1024, 1),
        "cpuSeconds": round(seconds, 2),
        "cpuShare": round(seconds / alive, 4) if alive else 0.0,
        "load": [round(value, 2) for value in os.getloadavg()],
        "cores": os.cpu_count(),
    }


def _resident_bytes(peak: int) -> int:
    """What is resident now; where the system does not say, the most there ever was."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize()
    except OSError:
        return peak


def requests() -> dict[str, Any]:
    """Requests of all processes since they started: how many, how many failed, how long."""
    by_class: defaultdict[str, int] = defaultdict(int)
    buckets: defaultdict[float, float] = defaultdict(float)
    seconds = 0.0
    for sample in metrics.iter_samples():
        if sample.name == "eventapp_requests_total":
            by_class[f"{sample.labels['status'][:1]}xx"] += int(sample.value)
        elif sample.name == "eventapp_request_seconds_bucket":
            buckets[float(sample.labels["le"])] += sample.value
        elif sample.name == "eventapp_request_seconds_sum":
            seconds += sample.value
    count = sum(by_class.values())
    return {
        "count": count,
        "byStatus": dict(sorted(by_class.items())),
        "errorRate": round(by_class["5xx"] / count, 6) if count else 0.0,
        "responseMs": {
            "mean": round(seconds / count * 1000, 2) if count else 0.0,
            **{name: quantile(buckets.items(), part) for name, part in QUANTILES.items()},
        },
    }


def quantile(buckets: Iterable[tuple[float, float]], part: float) -> float:
    """Milliseconds that this part of the requests took at most, straight between the bounds.

    Args:
        buckets: upper bounds in seconds with how many requests took no longer.
    """
    bounds = [(0.0, 0.0), *sorted(buckets)]
    wanted = bounds[-1][1] * part
    for (low, before), (high, upto) in pairwise(bounds):
        if upto >= wanted and upto > before:
            if high == float("inf"):
                return round(low * 1000, 2)
            return round((low + (high - low) * (wanted - before) / (upto - before)) * 1000, 2)
    return 0.0
