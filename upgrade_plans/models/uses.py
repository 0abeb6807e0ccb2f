"""What upgrades trip over in objects: each has a name, what it is, and how it is counted without writing anything."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Use(StrEnum):
    """Something that objects of a cluster may have. Facts say how many objects have it."""

    THIRD_PARTY_RESOURCE = "third-party-resource"
    INIT_ANNOTATION = "init-container-annotation"
    AFFINITY_ANNOTATION = "affinity-annotation"
    SERVICE_TRAFFIC_ANNOTATION = "external-traffic-annotation"
    STATEFUL_SET_UNINITIALIZED = "stateful-set-initialized-false"
    HPA_V2ALPHA1 = "hpa-v2alpha1-applied"
    HPA_CUSTOM_METRICS = "hpa-custom-metrics"
    AUTOSCALER = "autoscaler"
    CRON_JOB_V2ALPHA1 = "cron-job-v2alpha1-applied"
    CRON_JOB = "cron-job"
    SCHEDULED_JOB = "scheduled-job"
    POD_PRESET = "pod-preset"
    ALPHA_PRIORITY = "priority-class-alpha"
    RBAC_V1ALPHA1 = "rbac-v1alpha1"
    NODE_BINDING = "system-node-binding"
    NODE_BINDING_MISSING = "system-node-binding-without-subject"
    OLD_WORKLOAD_API = "workload-of-extensions-applied"
    ALPHA_WEBHOOK = "external-admission-hook"
    INITIALIZER = "initializer-configuration"
    OPAQUE_RESOURCE = "opaque-integer-resource"
    EXTENDED_RESOURCE = "extended-resource"
    EXTENDED_ZERO = "extended-resource-of-zero"
    POD_SECURITY_POLICY = "pod-security-policy"
    PSP_ROLE_EXTENSIONS = "psp-role-in-extensions"
    STORAGE_CLASS_ANNOTATION = "storage-class-annotation"
    NODE_EXCLUSION_LABEL = "exclude-balancer-label"
    OLD_TAINT_TOLERATION = "toleration-of-alpha-taint"
    VOLUME_OF_ZERO = "volume-of-zero"
    SUBPATH_CLAIM = "subpath-on-claim"
    SUBPATH_HOST_PATH = "subpath-on-host-path"
    FLEX_VOLUME = "flex-volume"
    CRD_REF = "crd-schema-with-ref"
    NUMERIC_USER_BINDING = "binding-of-numeric-user"
    VOLUME_NODE_AFFINITY = "volume-node-affinity-annotation"
    CLOUD_PROVIDER_BINDING = "cloud-provider-binding"
    EXTERNAL_ENDPOINT = "endpoint-outside-cluster"
    SYSTEM_PRIORITY = "priority-class-of-system-name"
    KUBEADM_CONFIG = "kubeadm-config"
    OLD_IMAGE_NAME = "image-of-gcr-io"
    OLD_API_SERVICE = "api-service-v1beta1-applied"
    EPHEMERAL_LIMIT = "limit-of-ephemeral-storage"
    CSI_WITHOUT_TYPE = "csi-volume-without-type"
    SPECIAL_CASE_FIELD = "field-in-wrong-case"
    AUDIT_POD_RULE = "audit-rule-for-pods-only"
    FEDERATION = "federation-control-plane"
    NETWORK_POLICY_ANNOTATION = "network-policy-annotation"
    KMS_ALPHA = "kms-provider-alpha"
    UDP_TIMEOUT = "proxy-udp-timeout"
    LOCAL_VOLUME_POLICY = "no-volume-node-conflict"
    AUTHENTICATING_PROXY = "authenticating-proxy"
    INTERPOD_LABEL = "removed-node-label"
    OLD_NETWORK_POLICY_API = "network-policy-of-extensions-applied"
    WEBHOOK_V1BETA1 = "webhook-v1beta1-applied"
    CRD_V1BETA1 = "crd-v1beta1-applied"
    INGRESS_V1BETA1 = "ingress-v1beta1-applied"
    RBAC_V1BETA1 = "rbac-v1beta1-applied"
    STORAGE_V1BETA1 = "storage-v1beta1-applied"
    PRIORITY_V1BETA1 = "priority-class-v1beta1-applied"
    CRON_JOB_V1BETA1 = "cron-job-v1beta1-applied"
    BUDGET_V1BETA1 = "budget-v1beta1-applied"
    HPA_V2BETA1 = "hpa-v2beta1-applied"
    HPA_V2BETA2 = "hpa-v2beta2-applied"
    SLICE_V1BETA1 = "slice-or-runtime-class-v1beta1-applied"
    FLOW_V1BETA1 = "flow-control-v1beta1-applied"
    FLOW_V1BETA2 = "flow-control-v1beta2-applied"
    FLOW_V1BETA3 = "flow-control-v1beta3-applied"
    CSI_CAPACITY_V1BETA1 = "csi-capacity-v1beta1-applied"


class Look(NamedTuple):
    """What a use is, and how its objects are counted."""

    what: str
    read: str


_APPLIED = "last-applied-configuration and managedFields of each object"
_PODS = "kubectl get pods,deployments,statefulsets,daemonsets,jobs,cronjobs -A -o json"
LOOKS: dict[Use, Look] = {
    Use.THIRD_PARTY_RESOURCE: Look("ThirdPartyResources", "kubectl get thirdpartyresources"),
    Use.INIT_ANNOTATION: Look("templates with pod.alpha/beta.kubernetes.io/init-containers", f"{_PODS}: annotations"),
    Use.AFFINITY_ANNOTATION: Look("templates with scheduler.alpha.kubernetes.io/affinity", f"{_PODS}: annotations"),
    Use.SERVICE_TRAFFIC_ANNOTATION: Look(
        "services with service.beta.kubernetes.io/external-traffic or /healthcheck-nodeport", "kubectl get services -A -o json"
    ),
    Use.STATEFUL_SET_UNINITIALIZED: Look(
        'stateful sets with pod.alpha.kubernetes.io/initialized: "false"', "kubectl get statefulsets -A -o json"
    ),
    Use.HPA_V2ALPHA1: Look("autoscalers applied as autoscaling/v2alpha1", "last-applied-configuration of each hpa"),
    Use.HPA_CUSTOM_METRICS: Look("autoscalers on custom metrics", "kubectl get hpa -A -o json: spec.metrics"),
    Use.AUTOSCALER: Look("autoscalers", "kubectl get hpa -A"),
    Use.CRON_JOB_V2ALPHA1: Look("CronJobs applied as batch/v2alpha1", "last-applied-configuration of each cronjob"),
    Use.CRON_JOB: Look("CronJobs", "kubectl get cronjobs -A"),
    Use.SCHEDULED_JOB: Look("objects of kind ScheduledJob", "etcdctl get /registry/scheduledjobs --prefix --keys-only"),
    Use.POD_PRESET: Look("PodPresets (settings.k8s.io/v1alpha1)", "kubectl get podpresets -A"),
    Use.ALPHA_PRIORITY: Look("PriorityClasses (scheduling.k8s.io/v1alpha1)", "kubectl get priorityclasses"),
    Use.RBAC_V1ALPHA1: Look("roles and bindings applied as rbac v1alpha1", "last-applied-configuration"),
    Use.NODE_BINDING: Look("the binding system:node to the group system:nodes", "kubectl get clusterrolebinding system:node"),
    Use.NODE_BINDING_MISSING: Look("the binding system:node without a subject", "kubectl get clusterrolebinding system:node"),
    Use.OLD_WORKLOAD_API: Look(
        "workloads applied as extensions/v1beta1, apps/v1beta1 or apps/v1beta2", "last-applied-configuration"
    ),
    Use.ALPHA_WEBHOOK: Look("ExternalAdmissionHookConfigurations", "kubectl get externaladmissionhookconfigurations"),
    Use.INITIALIZER: Look("InitializerConfigurations", "kubectl get initializerconfigurations"),
    Use.OPAQUE_RESOURCE: Look(
        "nodes with pod.alpha.kubernetes.io/opaque-int-resource-*", "kubectl get nodes -o json: capacity"
    ),
    Use.EXTENDED_RESOURCE: Look("nodes with extended resources", "kubectl get nodes -o json: status.capacity"),
    Use.EXTENDED_ZERO: Look("nodes with an extended resource of 0", "kubectl get nodes -o json: status.capacity"),
    Use.POD_SECURITY_POLICY: Look("PodSecurityPolicies", "kubectl get podsecuritypolicies"),
    Use.PSP_ROLE_EXTENSIONS: Look(
        "roles that name podsecuritypolicies in extensions", "kubectl get roles,clusterroles -A -o json"
    ),
    Use.STORAGE_CLASS_ANNOTATION: Look("claims with volume.beta.kubernetes.io/storage-class", "kubectl get pvc -A -o json"),
    Use.NODE_EXCLUSION_LABEL: Look(
        "nodes with alpha.service-controller.kubernetes.io/exclude-balancer", "kubectl get nodes --show-labels"
    ),
    Use.OLD_TAINT_TOLERATION: Look(
        "templates that tolerate node.alpha.kubernetes.io/notReady or /unreachable", f"{_PODS}: tolerations"
    ),
    Use.VOLUME_OF_ZERO: Look("volumes and claims with a capacity of 0", "kubectl get pv,pvc -A -o json"),
    Use.SUBPATH_CLAIM: Look("pods that mount a subPath of a claim", f"{_PODS}: volumeMounts"),
    Use.SUBPATH_HOST_PATH: Look("pods that mount a subPath of a hostPath", f"{_PODS}: volumeMounts"),
    Use.FLEX_VOLUME: Look("pods and volumes with flexVolume", f"{_PODS}; kubectl get pv -o json"),
    Use.CRD_REF: Look("CustomResourceDefinitions with $ref in their schemas", "kubectl get crd -o json"),
    Use.NUMERIC_USER_BINDING: Look("bindings of numeric user ids", "kubectl get rolebindings,clusterrolebindings -A -o json"),
    Use.VOLUME_NODE_AFFINITY: Look("volumes with volume.alpha.kubernetes.io/node-affinity", "kubectl get pv -o json"),
    Use.CLOUD_PROVIDER_BINDING: Look("the binding cloud-provider", "kubectl get clusterrolebindings"),
    Use.EXTERNAL_ENDPOINT: Look(
        "endpoints outside of the pod and node networks, reached through the proxy", "kubectl get endpoints -A -o json"
    ),
    Use.SYSTEM_PRIORITY: Look("PriorityClasses named system-* by users", "kubectl get priorityclasses"),
    Use.KUBEADM_CONFIG: Look("the config map kubeadm-config", "kubectl get configmap -n kube-system kubeadm-config"),
    Use.OLD_IMAGE_NAME: Look("templates with images of gcr.io/google_containers", f"{_PODS}: image"),
    Use.OLD_API_SERVICE: Look("APIServices applied as v1beta1", "last-applied-configuration"),
    Use.EPHEMERAL_LIMIT: Look("templates with limits of ephemeral-storage", f"{_PODS}: resources"),
    Use.CSI_WITHOUT_TYPE: Look("CSI volumes without fsType", "kubectl get pv -o json: spec.csi"),
    Use.SPECIAL_CASE_FIELD: Look(
        "applied objects with field names in another case", "last-applied-configuration beside the schema"
    ),
    Use.AUDIT_POD_RULE: Look("rules of the audit policy that name pods without subresources", "cat --audit-policy-file"),
    Use.FEDERATION: Look("federation API servers and controllers", "kubectl get deployments -A: federation"),
    Use.NETWORK_POLICY_ANNOTATION: Look("namespaces with net.beta.kubernetes.io/network-policy", "kubectl get ns -o json"),
    Use.KMS_ALPHA: Look("KMS providers in the encryption configuration", "cat --experimental-encryption-provider-config"),
    Use.UDP_TIMEOUT: Look("kube-proxy configurations with udpTimeoutMilliseconds", "cat --config of kube-proxy"),
    Use.LOCAL_VOLUME_POLICY: Look("scheduler policies that name NoVolumeNodeConflict", "cat --policy-config-file"),
    Use.AUTHENTICATING_PROXY: Look(
        "request-header authentication in front of API servers", "configmap extension-apiserver-authentication"
    ),
    Use.INTERPOD_LABEL: Look(
        "templates, BGP peers and policies that select a removed node label (node-role.kubernetes.io/master)",
        f"{_PODS}: nodeSelector, affinity; calicoctl get bgppeer,globalnetworkpolicy -o json: selectors",
    ),
    Use.OLD_NETWORK_POLICY_API: Look("network policies applied as extensions/v1beta1", _APPLIED),
    Use.WEBHOOK_V1BETA1: Look("webhook configurations applied as v1beta1", _APPLIED),
    Use.CRD_V1BETA1: Look("CustomResourceDefinitions applied as v1beta1", _APPLIED),
    Use.INGRESS_V1BETA1: Look("ingresses and ingress classes applied as extensions or networking.k8s.io v1beta1", _APPLIED),
    Use.RBAC_V1BETA1: Look("roles and bindings applied as rbac v1beta1", _APPLIED),
    Use.STORAGE_V1BETA1: Look("storage classes, CSI drivers, nodes and attachments applied as v1beta1", _APPLIED),
    Use.PRIORITY_V1BETA1: Look("PriorityClasses applied as v1beta1", _APPLIED),
    Use.CRON_JOB_V1BETA1: Look("CronJobs applied as batch/v1beta1", _APPLIED),
    Use.BUDGET_V1BETA1: Look("PodDisruptionBudgets applied as policy/v1beta1", _APPLIED),
    Use.HPA_V2BETA1: Look("autoscalers applied as autoscaling/v2beta1", _APPLIED),
    Use.HPA_V2BETA2: Look("autoscalers applied as autoscaling/v2beta2", _APPLIED),
    Use.SLICE_V1BETA1: Look("endpoint slices and runtime classes applied as v1beta1", _APPLIED),
    Use.FLOW_V1BETA1: Look("flow schemas and priority levels applied as v1beta1", _APPLIED),
    Use.FLOW_V1BETA2: Look("flow schemas and priority levels applied as v1beta2", _APPLIED),
    Use.FLOW_V1BETA3: Look("flow schemas and priority levels applied as v1beta3", _APPLIED),
    Use.CSI_CAPACITY_V1BETA1: Look("CSIStorageCapacities written as v1beta1", _APPLIED),
}
