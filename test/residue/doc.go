// Package residue compares what the auditor reports of etcd's files with what is
// physically in them, on real components: package truth finds the latter.
package residue
