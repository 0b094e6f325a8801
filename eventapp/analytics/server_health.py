"""Report the health of the server: database, this process, all requests, pending work, jobs."""

import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from eventapp.analytics import store_figures
from eventapp.bookings.payment_health import measure_payments
from eventapp.core import metrics
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.due_work.service import get_failed_work
from eventapp.notifications import service as notifications
from eventapp.webhooks import service as webhooks

# Returns the last run of each background job by its name.
JobStatusReader = Callable[[Db], Mapping[str, Mapping[str, object]]]
JOB_STATUS: AppKey[JobStatusReader] = AppKey("job_status")

_PROCESS_STARTED_AT = time.monotonic()
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def get_health(db: Db, now: datetime, *, read_job_status: JobStatusReader) -> JsonObject:
    """Return the health report. Parts that need the database are empty if it is unavailable."""
    database = store_figures.ping(db)
    is_available = database["status"] == "ok"
    return {
        "status": "ok" if is_available else "degraded",
        "time": now,
        "database": database,
        "process": _measure_process(),
        "requests": _summarize_requests(),
        "payments": _describe_payments(db, now) if is_available else {},
        "queues": store_figures.count_pending_work(db) if is_available else {},
        "failedWork": get_failed_work(db) if is_available else {},
        "webhooks": webhooks.count_webhooks(db) if is_available else {},
        "mail": notifications.get_mail_health(db) if is_available else {},
        "jobs": read_job_status(db) if is_available else {},
    }


def _describe_payments(db: Db, now: datetime) -> JsonObject:
    """Return what waits for a payment provider."""
    found = measure_payments(db)
    return {
        "refundsOpen": found.refunds_open,
        "oldestRefundAt": found.oldest_refund_at,
        "oldestRefundSeconds": round(found.compute_oldest_age(now)),
        "refundsFailed": found.refunds_failed,
        "unknown": found.payments_unknown,
    }


def _measure_process() -> JsonObject:
    """Return the memory and CPU use of this process, and the load of the machine."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    uptime = time.monotonic() - _PROCESS_STARTED_AT
    peak_bytes = usage.ru_maxrss * 1024
    return {
        "pid": os.getpid(),
        "uptimeSeconds": round(uptime, 1),
        "memoryMiB": round(_read_resident_bytes(peak_bytes) / 2**20, 1),
        "peakMemoryMiB": round(peak_bytes / 2**20, 1),
        "cpuSeconds": round(cpu_seconds, 2),
        "cpuShare": round(cpu_seconds / uptime, 4) if uptime else 0.0,
        "load": [round(value, 2) for value in os.getloadavg()],
        "cores": os.cpu_count(),
    }


def _read_resident_bytes(peak_bytes: int) -> int:
    """Return the resident memory in bytes, or its peak on systems without /proc."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize()
    except OSError:
        return peak_bytes


def _summarize_requests() -> JsonObject:
    """Return the number, error rate and response times of all requests to all processes."""
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
            **{
                name: estimate_quantile(buckets.items(), fraction)
                for name, fraction in QUANTILES.items()
            },
        },
    }


def estimate_quantile(buckets: Iterable[tuple[float, float]], fraction: float) -> float:
    """Return the milliseconds that this fraction of the requests did not exceed.

    The value is interpolated linearly within a bucket, as `histogram_quantile` of Prometheus does.

    Args:
        buckets: upper bounds in seconds, each with the number of requests up to it.
        fraction: from 0 to 1.
    """
    bounds = [(0.0, 0.0), *sorted(buckets)]
    rank = bounds[-1][1] * fraction
    for (low, count_below), (high, count) in pairwise(bounds):
        if count >= rank and count > count_below:
            if high == float("inf"):
                return round(low * 1000, 2)
            position = (rank - count_below) / (count - count_below)
            return round((low + (high - low) * position) * 1000, 2)
    return 0.0
