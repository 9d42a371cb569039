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

// look remembers path as it is now, if it is there.
func (m *fileMark) look(path string) {
	if info, err := os.Stat(path); err == nil {
		m.set(info)
	}
}

// appeared reports that path is there and was not when it was looked at.
func (m *fileMark) appeared(path string) bool {
	m.mu.Lock()
	before := m.info
	m.mu.Unlock()
	_, err := os.Stat(path)
	return err == nil && before == nil
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
