"""The real things that contracts are tried at."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from imageyard.bucket.objects import Bucket
from support.aws.bucket import StrictS3, bucket_of, s3_served
from support.aws.memory_s3 import MemoryS3, memory_s3_served
from support.registry.served import Served, serve


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def secured_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that asks for a password."""
    yield from serve(tmp_path_factory.mktemp("secured"), auth=True)


@pytest.fixture(scope="session")
def s3() -> Iterator[MemoryS3]:
    """S3 in memory: tests of tests/contract/bucket hold it against moto."""
    with memory_s3_served() as served:
        yield served


@pytest.fixture(scope="session")
def moto_s3() -> Iterator[StrictS3]:
    with s3_served() as served:
        yield served


@pytest.fixture(scope="session")
def make_bucket(s3: MemoryS3) -> Callable[[], Bucket]:
    """Makes an empty bucket, another one at each call."""
    numbers = itertools.count()

    def make() -> Bucket:
        s3.create(f"contract-{next(numbers)}")
        return bucket_of(s3, s3.buckets[-1], "ci")

    return make
