package systemd

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrNoManager is returned if there is no service manager to store anything.
var ErrNoManager = errors.New("no service manager: NOTIFY_SOCKET is not set, so this process was not started by systemd, or by a unit without FileDescriptorStoreMax=")

// generationBits limits the generations that are accepted, so that newest can grow.
const generationBits = 62

// Slot is one place in systemd's file-descriptor store: a blob that outlives the
// process, but not a `systemctl stop` (unless the unit says
// FileDescriptorStorePreserve=yes) and not a reboot. systemd holds it in memory only.
// Root can read it, and so can this service at its next start.
//
// Every Save stores a new memory file under a new name, NAME.GENERATION, and then
// removes the one before. So the store always has a complete one. A process killed
// between the two steps leaves both, and Load uses the newer.
type Slot struct {
	manager *Manager
	name    string

	mu sync.Mutex
	// newest is the highest generation ever seen or used; stored are those that may
	// still be in the store.
	newest uint64
	stored []uint64
}

// Slot returns the place with a name of lower-case letters and dashes. It fails if the
// store cannot work, with ErrNoManager if there is no service manager.
func (m *Manager) Slot(name string) (*Slot, error) {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return nil, fmt.Errorf("name %q of a slot: want 1 to 64 lower-case letters or dashes", name)
	}
	if m.notify == "" {
		return nil, ErrNoManager
	}
	// A store for one descriptor would silently refuse the second one, and then remove
	// the first. Before systemd 254 the size of the store is unknown.
	if m.storeMax == 1 {
		return nil, errors.New("the service manager stores one descriptor only: set FileDescriptorStoreMax= to 4 in the unit")
	}
	s := &Slot{manager: m, name: name}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.inherited {
		if generation, ok := s.generation(d.name); ok {
			s.stored = append(s.stored, generation)
			s.newest = max(s.newest, generation)
		}
	}
	return s, nil
}

// StoreLimit is how many descriptors the manager stores. 0 means unknown before
// systemd 254, and since then that FileDescriptorStoreMax= is not set.
func (m *Manager) StoreLimit() int { return m.storeMax }

// generation reads the number out of a descriptor's name.
func (s *Slot) generation(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, s.name+".")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, generationBits)
	return n, err == nil && n > 0
}

func (s *Slot) fdName(generation uint64) string {
	return s.name + "." + strconv.FormatUint(generation, 10)
}

// Load returns the newest blob that an earlier process has saved, and nil if there is
// none. It does not change the store, so the blob can be loaded again after a crash;
// in this process only the first call finds it. Load skips a descriptor that is not a
// sealed memory file of this user, and returns that as an error if there is no other.
// The caller clears the blob.
func (s *Slot) Load() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type candidate struct {
		descriptor
		generation uint64
	}
	var found []candidate
	s.manager.mu.Lock()
	for _, d := range slices.Clone(s.manager.inherited) {
		if generation, ok := s.generation(d.name); ok {
			found = append(found, candidate{s.manager.take(d), generation})
		}
	}
	s.manager.mu.Unlock()
	slices.SortFunc(found, func(a, b candidate) int { return int(int64(b.generation) - int64(a.generation)) }) //nolint:gosec // both below 2^62

	var blob []byte
	var errs []error
	for _, c := range found {
		if blob == nil {
			var err error
			if blob, err = readMemFile(c.fd, os.Geteuid()); err != nil {
				errs = append(errs, fmt.Errorf("descriptor %s from the service manager: %w", c.name, err))
			}
		}
		if err := unix.Close(c.fd); err != nil {
			errs = append(errs, fmt.Errorf("close descriptor %s: %w", c.name, err))
		}
	}
	if blob == nil {
		return nil, errors.Join(errs...)
	}
	return blob, nil
}

// Save stores a blob of 1 to MaxBlob bytes in place of the one before. When it returns
// without error, the manager has received it.
func (s *Slot) Save(blob []byte) error {
	if len(blob) == 0 || len(blob) > MaxBlob {
		return fmt.Errorf("store %s: %d bytes, want 1 to %d", s.name, len(blob), MaxBlob)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, err := newMemFile(s.name, blob)
	if err != nil {
		return fmt.Errorf("store %s: %w", s.name, err)
	}
	older := slices.Clone(s.stored)
	s.newest++
	// FDPOLL=0: otherwise the manager would watch the descriptor for a hang-up.
	err = s.manager.send("FDSTORE=1\nFDNAME="+s.fdName(s.newest)+"\nFDPOLL=0", fd)
	if err == nil {
		s.stored = append(s.stored, s.newest)
		err = s.manager.barrier()
	}
	// The manager has it now; this process needs it no longer.
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return fmt.Errorf("store %s: %w", s.name, err)
	}
	return s.remove(older)
}

// Clear removes everything from the store that Save has put there, in this process or
// an earlier one.
func (s *Slot) Clear() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stored) == 0 {
		return nil
	}
	if err := s.remove(slices.Clone(s.stored)); err != nil {
		return err
	}
	return s.manager.barrier()
}

func (s *Slot) remove(generations []uint64) error {
	for _, g := range generations {
		if err := s.manager.send("FDSTOREREMOVE=1\nFDNAME=" + s.fdName(g)); err != nil {
			return fmt.Errorf("remove %s from the store: %w", s.fdName(g), err)
		}
		s.stored = slices.DeleteFunc(s.stored, func(other uint64) bool { return other == g })
	}
	return nil
}
