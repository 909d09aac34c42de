"""A label for each user. The three sections are shown on the page of lesson 06."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest


def broken(registry: CollectorRegistry) -> Callable[[str, str, str], None]:
    # --8<-- [start:broken]
    latency = Histogram("latency_seconds", "Latency", ["user", "path"], registry=registry)

    def observe(user: str, path: str, seconds: str) -> None:
        latency.labels(user, path).observe(float(seconds))

    # --8<-- [end:broken]
    return observe


def repaired(registry: CollectorRegistry) -> Callable[[str, str | None, str], None]:
    # --8<-- [start:repaired]
    buckets = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120)  # models take longer than web pages
    latency = Histogram("latency_seconds", "Latency", ["route"], buckets=buckets, registry=registry)

    def observe(user: str, route: str | None, seconds: str) -> None:
        latency.labels(route or "other").observe(float(seconds))  # "/users/{id}"; who it was is in the log

    # --8<-- [end:repaired]
    return observe


def series(registry: CollectorRegistry) -> int:
    return sum(1 for line in generate_latest(registry).splitlines() if not line.startswith(b"#"))


def test_a_thousand_users_are_eighteen_thousand_series() -> None:
    registry = CollectorRegistry()
    observe = broken(registry)
    # --8<-- [start:seen]
    for n in range(1_000):
        observe(f"user-{n}", f"/users/{n}", "0.2")
    assert series(registry) == 18_000  # each kept for ever, and sent with every scrape
    # --8<-- [end:seen]


def test_a_thousand_users_of_one_route_are_one() -> None:
    registry = CollectorRegistry()
    observe = repaired(registry)
    observe("user", "/users/{id}", "0.2")
    before = series(registry)
    for n in range(1_000):
        observe(f"user-{n}", "/users/{id}", "0.2")
    assert series(registry) == before


def test_the_default_buckets_end_at_ten_seconds() -> None:
    registry = CollectorRegistry()
    seconds = Histogram("seconds", "s", registry=registry)
    seconds.observe(30)
    counts = [sample.value for metric in registry.collect() for sample in metric.samples if "bucket" in sample.name]
    assert counts[-1] == 1
    assert not any(counts[:-1])


def test_a_registry_of_the_process_takes_a_name_once() -> None:
    registry = CollectorRegistry()
    Counter("tokens", "t", registry=registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Counter("tokens", "t", registry=registry)  # a second application, in a test
