"""What the other tests here stand on: real servers, and ways to them that are cut and frozen when we say so."""

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.scale.cluster import Cluster

pytestmark = pytest.mark.timeout(120)


def client(cluster: Cluster) -> redis.Redis:
    return redis.Redis(port=cluster.cache.port, socket_timeout=0.3, retry=Retry(NoBackoff(), 0))


def test_a_way_is_cut_frozen_and_mended(cluster: Cluster) -> None:
    asked = client(cluster)
    assert asked.ping()
    cluster.cache.cut()
    for _ in range(2):  # the connection that was open, and a new one
        with pytest.raises(redis.ConnectionError):
            asked.ping()
    cluster.cache.mend()
    assert asked.ping()
    cluster.cache.freeze()
    for _ in range(2):
        with pytest.raises(redis.TimeoutError):
            asked.ping()
    cluster.cache.mend()
    assert asked.ping()
    asked.close()


def test_a_redis_is_frozen_and_killed_and_comes_back_empty(cluster: Cluster) -> None:
    asked = client(cluster)
    assert asked.set("a", "1")
    cluster.redis.freeze()
    with pytest.raises(redis.TimeoutError):
        asked.ping()
    cluster.redis.thaw()
    assert asked.get("a") == b"1"
    cluster.redis.kill()
    with pytest.raises(redis.ConnectionError):
        asked.ping()
    cluster.redis.start()
    assert asked.get("a") is None
    asked.close()


def test_a_database_has_pgvector_and_the_tables_of_this_version(cluster: Cluster) -> None:
    cluster.ask("CREATE EXTENSION IF NOT EXISTS vector")
    assert cluster.ask("SELECT '[1,2]'::vector <=> '[2,4]'::vector") == [["0"]]
    assert cluster.ask("SELECT count(*) FROM usage_records") == [["0"]]
