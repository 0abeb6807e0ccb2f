"""What is read of Kubernetes: workloads with the nodes that their pods are on, counted, and what upgrades trip over."""

from __future__ import annotations

from enum import StrEnum

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.fact import fact
from upgrade_plans.models.uses import Use
from upgrade_plans.models.words import Identifier, Namespace, NodeName, NodeSetText, Share, VersionText


class WorkloadKind(StrEnum):
    """What makes the pods."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    REPLICA_SET = "ReplicaSet"
    REPLICATION_CONTROLLER = "ReplicationController"
    JOB = "Job"
    CRON_JOB = "CronJob"
    POD = "Pod"


class Placement(StrictModel):
    """Pods of a workload: on every node of a set the same number."""

    nodes: NodeSetText = fact("the nodes, folded", "kubectl get pods -o json: spec.nodeName")
    each: int = fact("pods on each of them", "kubectl get pods -o json, counted", 1)


class Workload(StrictModel):
    """A workload. Its pods are counted by node set, not listed; what it asks for is one pod's."""

    namespace: Namespace = fact("namespace", "kubectl get KIND -o json: metadata.namespace")
    name: Identifier = fact("name", "metadata.name")
    kind: WorkloadKind = fact("kind", "kind")
    replicas: int = fact("declared replicas; of a DaemonSet desiredNumberScheduled", "spec.replicas")
    ready: int | None = fact("pods that are ready; null: all", "status.readyReplicas", None)
    cpu: int = fact("requested millicores of a pod", "spec.template.spec.containers[].resources.requests.cpu, added", 0)
    memory: int = fact("requested bytes of a pod", "spec.template.spec.containers[].resources.requests.memory, added", 0)
    memory_limit: int = fact(
        "memory limit of a pod in bytes; 0: none", "spec.template.spec.containers[].resources.limits.memory, added", 0
    )
    service: str | None = fact("what users know it as; workloads of one service stand in for each other", "label app", None)
    tolerates: tuple[str, ...] = fact("taint groups that its pods may go to", "spec.template.spec.tolerations", ())
    host_network: bool = fact("its pods use the host's network", "spec.template.spec.hostNetwork", False)
    autoscaled: bool = fact("an autoscaler changes its replicas", "kubectl get hpa -o json: spec.scaleTargetRef", False)
    schedule: str | None = fact("of a CronJob: when it runs", "kubectl get cronjobs -o json: spec.schedule", None)
    suspended: bool = fact("of a CronJob: suspended", "spec.suspend", False)
    settled: bool = fact("no rollout is in flight", "status.observedGeneration, updatedReplicas, replicas", True)
    local_data: bool = fact("its pods keep data on the node", "spec.volumes: hostPath, local, emptyDir of StatefulSets", False)
    uses: tuple[Use, ...] = fact("what of the table below its pod template has", "spec.template", ())
    pods: tuple[Placement, ...] = fact("where its pods are", "kubectl get pods -o json, grouped by owner and node", ())


class DisruptionBudget(StrictModel):
    """A PodDisruptionBudget, its selector resolved to workloads of its namespace."""

    namespace: Namespace = fact("namespace", "kubectl get pdb -o json: metadata.namespace")
    name: Identifier = fact("name", "metadata.name")
    workloads: tuple[str, ...] = fact("names of the workloads whose pods it selects", "spec.selector, resolved", ())
    min_available: Share | None = fact("pods that must stay, a number or a percentage", "spec.minAvailable", None)
    max_unavailable: Share | None = fact("pods that may be away, a number or a percentage", "spec.maxUnavailable", None)


class Webhook(StrictModel):
    """An admission webhook."""

    name: Identifier = fact(
        "name", "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations -o json: webhooks[].name"
    )
    fails_closed: bool = fact("failurePolicy is Fail", "webhooks[].failurePolicy")
    resources: tuple[str, ...] = fact("resources that its rules match (`*`: all)", "webhooks[].rules[].resources", ())
    cluster_scope: bool = fact("its rules match resources without a namespace", "webhooks[].rules[].scope, resources", False)
    backend: str | None = fact("namespace/workload that answers; null: outside of the cluster", "clientConfig.service", None)


class ApiService(StrictModel):
    """An APIService that is served by an extension API server."""

    name: Identifier = fact("name (v1beta1.metrics.k8s.io)", "kubectl get apiservices -o json: metadata.name")
    available: bool = fact("condition Available", "status.conditions")


class Tiller(StrictModel):
    """A Tiller."""

    namespace: Namespace = fact("its namespace", "kubectl get deployments -l name=tiller --all-namespaces")
    version: VersionText = fact("its version", "the image's tag; helm version --tiller-namespace")
    releases: int = fact("releases that it keeps", "kubectl get configmaps -l OWNER=TILLER", 0)


class KubernetesFacts(StrictModel):
    """What the API servers say."""

    uid: Identifier | None = fact("what tells this cluster from all others", "kubectl get ns kube-system: metadata.uid", None)
    endpoints: tuple[str, ...] = fact("addresses of default/kubernetes", "kubectl get endpoints kubernetes", ())
    advertise: dict[NodeName, str] = fact("address that each API server advertises", "--advertise-address, else its own", {})
    leader: dict[Identifier, NodeName] = fact(
        "who leads, by component", "kubectl get endpoints -n kube-system: leader annotation", {}
    )
    serves: tuple[str, ...] = fact("group versions that are served", "kubectl api-versions", ())
    stored: dict[str, dict[str, int]] = fact(
        "objects by resource and the apiVersion that they are stored in",
        "etcdctl get /registry/RESOURCE --prefix: apiVersion of each value", {},
    )  # fmt: skip
    media_type: str | None = fact("encoding in the store (json, protobuf)", "etcdctl get: the value's first bytes", None)
    uses: dict[Use, int] = fact("objects that have what the table below says", "see the table", {})
    looked: bool = fact("the table below was gone through: what `uses` does not name is not there", "kubedeb inspect", False)
    webhooks: tuple[Webhook, ...] = fact("admission webhooks", "kubectl get …webhookconfigurations -o json", ())
    apiservices: tuple[ApiService, ...] = fact("extension API servers", "kubectl get apiservices -o json", ())
    workloads: tuple[Workload, ...] = fact("workloads", "kubectl get deployments,statefulsets,daemonsets,… -A -o json", ())
    budgets: tuple[DisruptionBudget, ...] = fact("PodDisruptionBudgets", "kubectl get pdb -A -o json", ())
    tillers: tuple[Tiller, ...] = fact("Tillers", "kubectl get deployments -A -l app=helm", ())
