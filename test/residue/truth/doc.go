// Package truth finds what is physically left of known values in etcd's files: each
// place where a canary lies, and what etcd makes of that place. It is what the auditor's
// report is compared with, so it shares no code with the auditor. Pages and buckets of a
// database are walked by bbolt itself, values and log entries are decoded by etcd's own
// types, and whether anything is overwritten is decided by comparing bytes with what was
// written.
package truth
