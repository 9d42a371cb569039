package timeline

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped makes room for n sightings outside of the heap: the collector of garbage would let as
// much again grow beside them before it looks.
func mapped(n int) ([]sighting, error) {
	b, err := unix.Mmap(-1, 0, n*sightingSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("take %d KiB of memory for the timeline: %w", n*sightingSize>>10, err)
	}
	return unsafe.Slice((*sighting)(unsafe.Pointer(&b[0])), n)[:0], nil //nolint:gosec // a sighting has no pointers
}

// unmap gives back what mapped has made. nil is nothing.
func unmap(list []sighting) {
	if cap(list) == 0 {
		return
	}
	list = list[:1]
	_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(&list[0])), cap(list)*sightingSize)) //nolint:gosec // the bytes that Mmap gave
}
