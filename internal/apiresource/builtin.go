package apiresource

// Stored is a built-in resource as a kube-apiserver stores it.
type Stored struct {
	Resource
	// Path is the part of the etcd key that names it (see Of), Kind that of its objects.
	Path, Kind string
}

// BuiltIn returns the resources that a kube-apiserver of Kubernetes 1.36 or 1.37 stores and
// that have a REST API, in the order of their paths.
func BuiltIn() (all []Stored) {
	for _, r := range [...]struct{ path, kind string }{
		{"apiregistration.k8s.io/apiservices", "APIService"},
		{"certificatesigningrequests", "CertificateSigningRequest"},
		{"clusterrolebindings", "ClusterRoleBinding"},
		{"clusterroles", "ClusterRole"},
		{"clustertrustbundles", "ClusterTrustBundle"},
		{"compositepodgroups", "CompositePodGroup"},
		{"configmaps", "ConfigMap"},
		{"controllerrevisions", "ControllerRevision"},
		{"controllers", "ReplicationController"},
		{"cronjobs", "CronJob"},
		{"csidrivers", "CSIDriver"},
		{"csinodes", "CSINode"},
		{"csistoragecapacities", "CSIStorageCapacity"},
		{"daemonsets", "DaemonSet"},
		{"deployments", "Deployment"},
		{"deviceclasses", "DeviceClass"},
		{"devicetaintrules", "DeviceTaintRule"},
		{"endpointslices", "EndpointSlice"},
		{"events", "Event"},
		{"evictionrequests", "EvictionRequest"},
		{"evictions", "Eviction"},
		{"flowschemas", "FlowSchema"},
		{"horizontalpodautoscalers", "HorizontalPodAutoscaler"},
		{"ingress", "Ingress"},
		{"ingressclasses", "IngressClass"},
		{"ipaddresses", "IPAddress"},
		{"jobs", "Job"},
		{"leasecandidates", "LeaseCandidate"},
		{"leases", "Lease"},
		{"limitranges", "LimitRange"},
		{"minions", "Node"},
		{"mutatingadmissionpolicies", "MutatingAdmissionPolicy"},
		{"mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding"},
		{"mutatingwebhookconfigurations", "MutatingWebhookConfiguration"},
		{"namespaces", "Namespace"},
		{"networkpolicies", "NetworkPolicy"},
		{"persistentvolumeclaims", "PersistentVolumeClaim"},
		{"persistentvolumes", "PersistentVolume"},
		{"podcertificaterequests", "PodCertificateRequest"},
		{"poddisruptionbudgets", "PodDisruptionBudget"},
		{"podgroups", "PodGroup"},
		{"pods", "Pod"},
		{"podtemplates", "PodTemplate"},
		{"priorityclasses", "PriorityClass"},
		{"prioritylevelconfigurations", "PriorityLevelConfiguration"},
		{"replicasets", "ReplicaSet"},
		{"resourceclaims", "ResourceClaim"},
		{"resourceclaimtemplates", "ResourceClaimTemplate"},
		{"resourcepoolstatusrequests", "ResourcePoolStatusRequest"},
		{"resourcequotas", "ResourceQuota"},
		{"resourceslices", "ResourceSlice"},
		{"rolebindings", "RoleBinding"},
		{"roles", "Role"},
		{"runtimeclasses", "RuntimeClass"},
		{"secrets", "Secret"},
		{"serviceaccounts", "ServiceAccount"},
		{"servicecidrs", "ServiceCIDR"},
		{"services/endpoints", "Endpoints"},
		{"services/specs", "Service"},
		{"statefulsets", "StatefulSet"},
		{"storageclasses", "StorageClass"},
		{"storageversionmigrations", "StorageVersionMigration"},
		{"storageversions", "StorageVersion"},
		{"validatingadmissionpolicies", "ValidatingAdmissionPolicy"},
		{"validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"},
		{"validatingwebhookconfigurations", "ValidatingWebhookConfiguration"},
		{"volumeattachments", "VolumeAttachment"},
		{"volumeattributesclasses", "VolumeAttributesClass"},
		{"workloads", "Workload"},
	} {
		all = append(all, Stored{Resource: Of(r.path), Path: r.path, Kind: r.kind})
	}
	return all
}
