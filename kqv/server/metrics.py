"""What the server counts, for Prometheus (`/metrics`)."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counters of one server; of another one in the same process there are others."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter began is of no use beside the counter
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "kqv_requests", "Requests that were answered, by path and status.", ("path", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "kqv_request_seconds", "Time from a request to the end of its answer.", ("path",), buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.first = Histogram(
            "kqv_first_token_seconds", "Time from a request for text to its first token.", buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.prompt_tokens = Counter("kqv_prompt_tokens", "Tokens of prompts.", registry=self.registry)
        self.tokens = Counter("kqv_generated_tokens", "Tokens that were written.", registry=self.registry)

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """A number that is asked for when somebody looks."""
        Gauge(name, meaning, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self.registry)
