// Package live reads a running etcd: every key under a prefix at one pinned
// revision, in streams or pages of bounded size, and proves by a count at that revision
// that nothing was missed.
//
// It must never write to etcd, and never know what a value means. No error
// that it returns holds a value or a password.
package live
