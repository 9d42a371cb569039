// Package cluster starts real etcd, Vault, kmsplugin and kube-apiserver
// processes on this machine, for the demo, the tests and the benchmarks alike.
//
// A Cluster is one directory and a set of processes. Everything is on loopback
// and on free ports, every connection uses TLS with certificates made for this
// run, and everything waits for readiness and never for time. Nothing outlives
// the program that made it, whatever ended it:
//
//   - Close stops the processes and removes the directory.
//   - If the program dies without Close (a panic, a test timeout, Ctrl-C,
//     SIGKILL), the kernel kills its processes (on Linux) and a small shell
//     beside it, which notices its end, removes the directory.
//   - If that shell was killed as well, the next New removes the directory: it
//     knows it by a lock that no process holds any more.
//
// It must never import the product, nor know what a plugin or an auditor
// should answer: what it starts and reads back is judged from outside. It does
// not import testing; the package clustertest beside it does.
package cluster
