// Package bolt reads the pages of a bbolt database file without bbolt: by ReadAt in
// bounded windows, without a lock or a mapping, and from files that are damaged,
// truncated or hostile. Beside the values that the tree holds it finds what is left in
// pages that the tree no longer reaches. It knows nothing of etcd.
//
// The format is that of bbolt's internal/common, version 2, as machines with
// little-endian numbers write it. A page is named by its number. A run of pages has one
// header, in its first page: id u64, flags u16, count u16, overflow u32; overflow is the
// number of pages that follow the first. Elements follow the header, and their keys and
// values follow the elements in the same order without gaps.
//
// No number of the file is trusted. The memory used is a few windows, one run of pages of
// at most 64 MiB, and two bits for each page. What is wrong is Damage, with the rest still
// read; an error is returned only where reading itself failed.
package bolt
