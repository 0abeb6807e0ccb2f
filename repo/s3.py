"""A store in an S3-compatible object store: create-only objects, InRelease by `If-Match`, parallel uploads, no listing.

boto3 is used as it is, because `If-Match` and `If-None-Match` are what keeps two publishers from losing each other's work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK
from kubedeb.inthreads import in_threads
from kubedeb.records import frozen
from repo.store import Adopted, Raced, cache_control, changed, durable

UPLOADS = 16
ATTEMPTS = 6
TIMEOUT = 30
MISSING = ("404", "NoSuchKey", "NotFound")
# 412 is a precondition that does not hold, 409 one that another upload is about to break.
RACED = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")
DELETED_AT_ONCE = 1000


@frozen
class S3Store:
    """A store below `s3://bucket/prefix`. `client` is boto3's; it is safe to use from several threads."""

    client: Any
    bucket: str
    prefix: str

    @property
    def local(self) -> Path | None:
        """Return None: nothing lies here."""
        return None

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, None when there is no such object."""
        answer = self._ask(name, self._get, name)
        return None if answer is None else answer[0]

    def tagged(self, name: str) -> tuple[bytes, str] | None:
        """Return an object's bytes with its ETag and the second in which it was written."""
        return self._ask(name, self._get, name)  # type: ignore[no-any-return]

    def size(self, name: str) -> int | None:
        """Return an object's size in bytes, None when there is no such object."""
        answer = self._ask(name, self.client.head_object, **self._object(name))
        return None if answer is None else int(answer["ContentLength"])

    def open(self, name: str) -> IO[bytes] | None:
        """Open an object to be read in blocks, None when there is no such object."""
        answer = self._ask(name, self.client.get_object, **self._object(name))
        return None if answer is None else cast("IO[bytes]", _Body(self, name, answer["Body"]))

    def put(self, name: str, data: bytes, *, mtime: int | None = None) -> bool:
        """Make `name` hold `data`, unless it does already; Last-Modified is the object store's own."""
        del mtime
        if self.read(name) == data:
            return False
        self._ask(name, self.client.put_object, Body=data, **self._headers(name))
        return True

    def put_all(self, objects: Mapping[str, bytes], *, mtime: int | None = None) -> None:
        """Put many objects, one after the other: each may be looked for when the one before is there."""
        for name, data in objects.items():
            self.put(name, data, mtime=mtime)

    def same(self, name: str, other: str, *, mtime: int | None = None) -> bool:
        """Copy an object inside the store, unless the two are of one size and ETag already."""
        del mtime
        wanted = self._ask(other, self.client.head_object, **self._object(other))
        if wanted is None:
            return False
        there = self._ask(name, self.client.head_object, **self._object(name))
        if there is None or there["ETag"] != wanted["ETag"]:
            source = {"Bucket": self.bucket, "Key": self.prefix + other}
            headers = {**self._headers(name), "MetadataDirective": "REPLACE"}
            self._ask(name, self.client.copy_object, CopySource=source, **headers)
        return True

    def create(self, objects: Mapping[str, bytes]) -> list[str]:
        """Write objects whose names say their content, side by side, and return the names of those that were not there."""
        made = in_threads(lambda one: self._create(*one), list(objects.items()), UPLOADS)
        return [name for name, new in zip(objects, made, strict=True) if new]

    def _create(self, name: str, body: Any) -> bool:
        try:
            self._ask(name, self.client.put_object, Body=body, IfNoneMatch="*", **self._headers(name))
        except Raced:
            return False
        return True

    def swap(self, name: str, data: bytes, tag: str | None, *, mtime: int) -> None:
        """Replace what `tagged` gave (None: nothing). Raises `Raced` when it is no longer that.

        It waits for the next second: apt believes a 304 for a Last-Modified that did not move.
        """
        del mtime
        if tag is None:
            condition = {"IfNoneMatch": "*"}
        else:
            etag, _, second = tag.rpartition(" ")
            condition = {"IfMatch": etag}
            time.sleep(min(2.0, max(0.0, int(second) + 1 - time.time())))
        try:
            self._ask(name, self.client.put_object, Body=data, **condition, **self._headers(name))
        except Raced:
            # The answer to our own upload may have been lost, and its repetition refused.
            if self.read(name) != data:
                raise

    def adopt(self, name: str, source: Path, digest: str) -> bool:
        """Upload a file, unless it is there already. Raises `KubedebError` when its content has changed."""
        hashed = sha256()
        with source.open("rb") as stream:
            while block := stream.read(CHUNK):
                hashed.update(block)
            if hashed.hexdigest() != digest:
                raise changed(source)
            if self.size(name) == stream.tell():
                return False
            stream.seek(0)
            return self._create(name, stream)

    def adopt_all(self, files: Sequence[tuple[str, Path, str]]) -> Adopted:
        """Upload many files, side by side."""
        return Adopted(tuple(in_threads(lambda file: self.adopt(*file), files, UPLOADS)), durable)

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects, a thousand a request."""
        keys = [{"Key": self.prefix + name} for name in names]
        for start in range(0, len(keys), DELETED_AT_ONCE):
            batch = {"Objects": keys[start : start + DELETED_AT_ONCE], "Quiet": True}
            self._ask("objects", self.client.delete_objects, Bucket=self.bucket, Delete=batch)

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of all objects below a folder: for gc and fsck alone."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}/")
        for page in self._ask(prefix, lambda: list(pages)):
            for item in page.get("Contents", []):
                yield item["Key"].removeprefix(self.prefix)

    def _get(self, name: str) -> tuple[bytes, str]:
        answer = self.client.get_object(**self._object(name))
        return answer["Body"].read(), f"{answer['ETag']} {int(answer['LastModified'].timestamp())}"

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + name}

    def _headers(self, name: str) -> dict[str, str]:
        kind = "application/octet-stream" if "." in name.rpartition("/")[2] else "text/plain"
        return {**self._object(name), "CacheControl": cache_control(name), "ContentType": kind}

    def _ask(self, name: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return the answer, None where there is no such object. Raises `Raced`, or `KubedebError` (REPOSITORY_STORAGE)."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call(*arguments, **options)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in MISSING:
                return None
            if code in RACED:
                raise Raced(name) from error
            raise self._failed(name, error) from error
        except (BotoCoreError, OSError) as error:
            raise self._failed(name, error) from error

    def _failed(self, name: str, error: Exception) -> KubedebError:
        return KubedebError(
            f"the object store does not do what it should with {name}", details=f"s3://{self.bucket}/{self.prefix}: {error}",
            hint="What clients see is the old or the new generation, whole. Run the same command again when it answers.",
            code=ExitCode.REPOSITORY_STORAGE,
        )  # fmt: skip


@frozen
class _Body:
    """An object's bytes while they come; what breaks off is an error of the store."""

    store: S3Store
    name: str
    stream: Any

    def read(self, size: int) -> bytes:
        return bytes(self.store._ask(self.name, self.stream.read, size))

    def __enter__(self) -> _Body:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()


@lru_cache(maxsize=8)
def s3_store(storage: str, endpoint_url: str) -> S3Store:
    """Return the store that `s3://BUCKET/PREFIX` names; credentials and region are boto3's own (environment, ~/.aws)."""
    import boto3
    from botocore.config import Config

    parts = urlsplit(storage)
    config = Config(
        retries={"max_attempts": ATTEMPTS, "mode": "standard"}, connect_timeout=TIMEOUT, read_timeout=TIMEOUT,
        max_pool_connections=UPLOADS, request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )  # fmt: skip
    client = boto3.client("s3", endpoint_url=endpoint_url or None, config=config)
    prefix = parts.path.strip("/")
    return S3Store(client, parts.netloc, f"{prefix}/" if prefix else "")
