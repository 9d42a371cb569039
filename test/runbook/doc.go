// Package runbook carries out the runbook of a report, as it is printed, on a real etcd.
package runbook
