// Package wal reads a segment of etcd's write-ahead log without etcd: by ReadAt in
// bounded windows, and from files that are damaged, cut, still being written, or
// hostile. It finds every put, also those that a transaction made only under a
// condition. It knows raft's entries and etcd's requests, and nothing of what is stored.
//
// The format is that of etcd's server/storage/wal, the same in 3.5, 3.6 and 3.7. A
// segment is a sequence of frames: a length of 8 bytes, little-endian, then a
// walpb.Record {type = 1, crc = 2, data = 3}, then zeros up to a multiple of 8 bytes. The
// low 56 bits of the length count the record's bytes; if there is padding, the highest
// bit is set and the 3 bits at 56 count it. The checksum (CRC-32C) of a record goes on
// from that of the record before it; the first record of a segment has the checksum
// that the segment before ended with. A length of 0 is the space that etcd has allocated
// and not yet written. Reading begins at the first frame, as nothing else says where
// frames are.
//
// No number of the file is trusted. The memory used is one buffer, as large as the
// largest record and at most 64 MiB. What is wrong is Damage, with the rest still read;
// an error is returned only where reading itself failed.
package wal
