package vaultbackend

import (
	"os"
	"sync"
)

// fileMark remembers which file, in which state, was read last. It is safe for
// concurrent use.
type fileMark struct {
	mu   sync.Mutex
	info os.FileInfo
}

func (m *fileMark) set(info os.FileInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.info = info
}

// changed reports whether path is another file, or was written to, since set.
// A file that is gone for a moment, as between a removal and a rename, is not
// a change: there is nothing better to read.
func (m *fileMark) changed(path string) bool {
	m.mu.Lock()
	before := m.info
	m.mu.Unlock()
	now, err := os.Stat(path)
	if err != nil || before == nil {
		return false
	}
	return !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime()) || before.Size() != now.Size()
}
