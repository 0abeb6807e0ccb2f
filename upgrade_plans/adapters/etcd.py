"""etcd members through their JSON gateways: `/v3beta` on 3.3, `/v3` from 3.4 on (both on 3.4)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from upgrade_plans.adapters.protocols import CompactedError, Entry, RefusedError, Status, UnreachableError
from upgrade_plans.models.cluster import Cluster

PREFIXES = ("/v3", "/v3beta")
PAGE = 1000
TIMEOUT = 5.0
FIRST_KEY = b"\0"
# etcdserver/api/v3rpc/rpctypes/error.go: ErrGRPCCompacted, the same in 3.3, 3.4 and 3.5.
COMPACTED = "required revision has been compacted"


class GatewayEtcd:
    """The cluster's members, each at its own client URL."""

    def __init__(self, cluster: Cluster) -> None:
        self._urls = {node: cluster.client_url(node) for node in cluster.members}

    def versions(self, node: str) -> tuple[str, str]:
        """Return (etcdserver, etcdcluster) of `/version`."""
        answer = self._ask("GET", node, "/version")
        return str(answer["etcdserver"]), str(answer["etcdcluster"])

    def healthy(self, node: str) -> bool:
        """Return whether `/health` says true; a 503 with a body is an answer too."""
        try:
            return str(self._ask("GET", node, "/health").get("health")).lower() == "true"
        except RefusedError:
            return False

    def status(self, node: str) -> Status:
        """Return `/maintenance/status`."""
        answer = self._call(node, "/maintenance/status", {})
        header, leader = answer["header"], int(answer.get("leader", 0))
        return Status(
            member_id=_hex(header["member_id"]), cluster_id=_hex(header["cluster_id"]), leader=_hex(leader) if leader else None,
            raft_index=int(answer.get("raftIndex", 0)), revision=int(header.get("revision", 0)),
            db_size=int(answer.get("dbSize", 0)),
        )  # fmt: skip

    def alarms(self, node: str) -> tuple[str, ...]:
        """Return the names of the alarms that are raised anywhere in the cluster, as this member knows them."""
        answer = self._call(node, "/maintenance/alarm", {"action": "GET"})
        return tuple(sorted({str(alarm["alarm"]) for alarm in answer.get("alarms", [])}))

    def move_leader(self, node: str, to: str) -> None:
        """Ask the leader on `node` to hand over."""
        self._call(node, "/maintenance/transfer-leadership", {"targetID": str(int(to, 16))})

    def entries(self, node: str, revision: int) -> Iterator[Entry]:
        """Yield every key at `revision`, a page at a time."""
        start = FIRST_KEY
        while True:
            question = {
                "key": base64.b64encode(start).decode(), "range_end": base64.b64encode(FIRST_KEY).decode(),
                "revision": str(revision), "limit": str(PAGE), "serializable": True,
            }  # fmt: skip
            answer = self._range(node, question)
            found = [entry(item) for item in answer.get("kvs", [])]
            yield from found
            if not answer.get("more"):
                return
            start = found[-1].key + b"\0"

    def _range(self, node: str, question: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._call(node, "/kv/range", question)
        except RefusedError as error:
            if COMPACTED not in error.details:
                raise
            raise CompactedError(f"etcd on {node}", f"reading revision {question['revision']}", error.details) from error

    def _call(self, node: str, path: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the gateway under the prefix that the running version serves."""
        refused: RefusedError | None = None
        for prefix in PREFIXES:
            try:
                return self._ask("POST", node, prefix + path, question)
            except _NoSuchPathError as error:
                refused = error
        raise refused or RefusedError(f"etcd on {node}", path, "no gateway")

    def _ask(self, method: str, node: str, path: str, question: Mapping[str, Any] | None = None) -> dict[str, Any]:
        import requests

        where, url = f"etcd on {node}", self._urls[node] + path
        try:
            with requests.Session() as session:
                # A proxy of the environment is for the way out, members are asked directly.
                session.trust_env = False
                answer = session.request(method, url, json=question, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise UnreachableError(where, f"{method} {url}: {_reason(error)}") from error
        if answer.status_code == requests.codes.not_found:
            raise _NoSuchPathError(where, f"{method} {path}", "404")
        if not answer.ok:
            raise RefusedError(where, f"{method} {path}", f"{answer.status_code}: {answer.text.strip()[:500]}")
        try:
            body = answer.json()
        except ValueError as error:
            raise RefusedError(where, f"{method} {path}", f"not JSON: {answer.text[:200]!r}") from error
        return body if isinstance(body, dict) else {}


class _NoSuchPathError(RefusedError):
    """The member does not serve this path."""


def entry(item: Mapping[str, Any]) -> Entry:
    """Return a key of a range answer (the gateway's numbers are strings, etcdctl's are numbers; both leave out zeros)."""
    value = base64.b64decode(item.get("value", ""))
    return Entry(
        key=base64.b64decode(item["key"]), value=hashlib.sha256(value).hexdigest(),
        create_revision=int(item.get("create_revision", 0)), mod_revision=int(item.get("mod_revision", 0)),
        version=int(item.get("version", 0)), lease=int(item.get("lease", 0)),
    )  # fmt: skip


def _hex(number: str | int) -> str:
    return f"{int(number):x}"


def _reason(error: Exception) -> str:
    """Return the innermost reason of a connection error: requests wraps them three deep."""
    inner: Any = error
    while isinstance(reason := getattr(inner, "reason", None) or (inner.args[0] if inner.args else None), Exception):
        inner = reason
    return str(inner)
