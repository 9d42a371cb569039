package etcdconfig

import "strings"

// experimental are the settings whose names begin so. 3.6 has most of them under both
// names, 3.7 has none.
func experimental() []setting {
	all := []setting{
		{name: "enable-v2v3", kind: text, until: 5},
		{name: "snapshot-catchup-entries", kind: natural64, def: "5000", key: "experimental-snapshot-catch-up-entries"},
		{name: "initial-corrupt-check", kind: boolean, def: "false"},
		{name: "corrupt-check-time", kind: duration, def: "0s"},
		{name: "compact-hash-check-enabled", kind: boolean, def: "false"},
		{name: "compact-hash-check-time", kind: duration, def: "1m0s"},
		{name: "enable-lease-checkpoint", kind: boolean, def: "false"},
		{name: "enable-lease-checkpoint-persist", kind: boolean, def: "false"},
		{name: "compaction-batch-limit", kind: integer, def: "0"},
		{name: "compaction-sleep-interval", kind: duration, def: "0s"},
		{name: "watch-progress-notify-interval", kind: duration, def: "0s"},
		{name: "warning-apply-duration", kind: duration, def: "100ms", until: 5},
		{name: "warning-apply-duration", kind: duration, def: "0s", since: 6},
		{name: "warning-unary-request-duration", kind: duration, def: "0s", since: 6},
		{name: "bootstrap-defrag-threshold-megabytes", kind: natural, def: "0"},
		{name: "downgrade-check-time", kind: duration, def: "5s"},
		{name: "memory-mlock", kind: boolean, def: "false"},
		{name: "txn-mode-write-with-shared-buffer", kind: boolean, def: "true"},
		{name: "stop-grpc-service-on-defrag", kind: boolean, def: "false"},
		{name: "enable-distributed-tracing", kind: boolean, def: "false"},
		{name: "distributed-tracing-address", kind: text, def: "localhost:4317"},
		{name: "distributed-tracing-service-name", kind: text, def: "etcd"},
		{name: "distributed-tracing-instance-id", kind: text},
		{name: "distributed-tracing-sampling-rate", kind: integer, def: "0"},
	}
	for i := range all {
		all[i].name = "experimental-" + all[i].name
		if all[i].until == 0 {
			all[i].until = 6
		}
	}
	return all
}

// gatesOfFlags are the experimental flags of 3.6 that set a feature gate
// (features.ExperimentalFlagToFeatureMap).
func gatesOfFlags() map[string]string {
	return map[string]string{
		"experimental-stop-grpc-service-on-defrag":       "StopGRPCServiceOnDefrag",
		"experimental-initial-corrupt-check":             "InitialCorruptCheck",
		"experimental-compact-hash-check-enabled":        "CompactHashCheck",
		"experimental-txn-mode-write-with-shared-buffer": "TxnModeWriteWithSharedBuffer",
		"experimental-enable-lease-checkpoint":           "LeaseCheckpoint",
		"experimental-enable-lease-checkpoint-persist":   "LeaseCheckpointPersist",
	}
}

// renamed are the flags of 3.6 that exist under an experimental name as well
// (embed's experimentalFlagMigrationMap), old names first.
func (r *rules) renamed() [][2]string {
	if r.release.Minor != 6 {
		return nil
	}
	var all [][2]string
	for i := range r.settings {
		old := r.settings[i].name
		name, found := strings.CutPrefix(old, "experimental-")
		// That pair is checked otherwise: two values that are not 0 are refused.
		if found && r.byName[name] != nil && name != "warning-unary-request-duration" {
			all = append(all, [2]string{old, name})
		}
	}
	return all
}

// obsolete are the flags that etcd accepts and forgets (etcdmain's ignored).
func obsolete() []setting {
	var all []setting
	for _, name := range []string{
		"cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force", "max-result-buffer",
		"max-retry-attempts", "peer-heartbeat-interval", "peer-election-timeout", "retry-interval", "snapshot", "v", "vv",
		"test.coverprofile", "test.outputdir",
	} {
		all = append(all, setting{name: name, kind: ignored, key: "-"})
	}
	return all
}
