"""Measurements to Application Insights, as OpenTelemetry metrics.

OpenTelemetry and Azure Monitor's exporter are imported in a thread of their own, once the app has been told to and
its first work is done: they take 60 ms and 6 MB, which no event has to wait for. What is measured before is kept, and
passed on then. The exporter sends what it has every minute, by a thread of its own.
"""

from collections import deque
from threading import Lock, Thread
from typing import TYPE_CHECKING

from shared.metrics import METRICS, Metric, Values

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics import MeterProvider

    type Instrument = Callable[[float, dict[str, str]], None]

MOST_WAITING = 100_000
"""How many measurements are kept until they can be passed on; the oldest make room."""


class Telemetry:
    """A listener of the tally, see `shared.metrics`."""

    def __init__(self, connection_string: str) -> None:
        """Import nothing yet.

        Args:
            connection_string: Of Application Insights. How it wants to know us is up to the exporter, which reads
                the platform's `APPLICATIONINSIGHTS_AUTHENTICATION_STRING` itself.
        """
        self._connection_string = connection_string
        self._lock = Lock()
        self._waiting: deque[tuple[Metric, float, Values]] = deque(maxlen=MOST_WAITING)
        self._instruments: dict[Metric, Instrument] | None = None
        self._provider: MeterProvider | None = None
        self._thread: Thread | None = None
        self.fault: str | None = None
        """Why nothing is passed on; None: it is, or will be."""

    def __call__(self, metric: Metric, value: float, values: Values) -> None:
        """Pass a measurement on, or keep it until it can be."""
        if self._instruments is None:
            with self._lock:
                if self._instruments is None:
                    self._waiting.append((metric, value, values))
                    return
        self._instruments[metric](value, dict(zip(metric.attributes, values, strict=True)))

    def start(self) -> None:
        """Begin to pass on. Returns at once; again: no change."""
        if self._thread is None:
            self._thread = Thread(target=self._begin, name="telemetry", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Send what there is, and end."""
        if self._thread:
            self._thread.join()
        if self._provider:
            self._provider.shutdown()

    def _begin(self) -> None:
        try:
            instruments = self._made()
        except Exception as fault:  # noqa: BLE001 - whatever it is, the app works without
            self.fault = f"{type(fault).__name__}: {fault}"
            self._waiting.clear()
            return
        with self._lock:
            for metric, value, values in self._waiting:
                instruments[metric](value, dict(zip(metric.attributes, values, strict=True)))
            self._waiting.clear()
            self._instruments = instruments

    def _made(self) -> "dict[Metric, Instrument]":
        """An instrument for each metric of the table."""
        from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        # What cannot be sent after a few tries is lost: an instance's disk does not outlive it.
        exporter = AzureMonitorMetricExporter(
            connection_string=self._connection_string, disable_offline_storage=True
        )
        self._provider = MeterProvider([PeriodicExportingMetricReader(exporter)])
        meter = self._provider.get_meter("stopgap")
        return {
            metric: meter.create_histogram(
                metric.name, metric.unit, metric.about, explicit_bucket_boundaries_advisory=metric.bounds
            ).record
            if metric.bounds
            else meter.create_counter(metric.name, metric.unit, metric.about).add
            for metric in METRICS
        }
