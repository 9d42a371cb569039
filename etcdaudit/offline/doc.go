// Package offline reads etcd's own files: data directories, databases, snapshots and
// write-ahead logs, and makes record sources of them, one scope for each layer.
//
// Files are read in bounded windows, without a lock and without a mapping, and nothing is
// written outside of Options.WorkDir. A file that changes while it is read, or that an etcd
// uses, is searched as bytes without layers: what is found there is real, and nothing is
// called clean.
package offline
