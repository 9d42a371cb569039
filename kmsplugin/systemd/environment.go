package systemd

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	envPID      = "LISTEN_PID"
	envCount    = "LISTEN_FDS"
	envNames    = "LISTEN_FDNAMES"
	envNotify   = "NOTIFY_SOCKET"
	envStoreMax = "FDSTORE"

	// maxInherited limits the descriptors that are taken over: a few sockets, and what
	// two killed starts have left in the store. More is a mistake.
	maxInherited = 64
	// maxAddress is the limit of sockaddr_un without the final zero byte.
	maxAddress = 107
	// unnamed is what sd_listen_fds_with_names(3) calls a descriptor when the
	// manager is too old to name it.
	unnamed = "unknown"
)

// environment is the content of the service manager's environment variables.
type environment struct {
	// notify is the address for notifications; empty without a manager that expects
	// them.
	notify string
	// storeMax is how many descriptors the manager stores; 0 if unknown, as before
	// systemd 254.
	storeMax int
	// names are the names of the descriptors from 3 on.
	names []string
}

// parseEnvironment reads the variables of sd_listen_fds(3) and sd_notify(3).
// Descriptors for another process are left out.
func parseEnvironment(lookup func(string) (string, bool), pid int) (environment, error) {
	var e environment
	var err error
	if e.notify, err = parseAddress(lookup); err != nil {
		return environment{}, err
	}
	if text, ok := lookup(envStoreMax); ok {
		if e.storeMax, err = parseNumber(envStoreMax, text); err != nil {
			return environment{}, err
		}
	}
	if e.names, err = parseNames(lookup, pid); err != nil {
		return environment{}, err
	}
	return e, nil
}

func parseAddress(lookup func(string) (string, bool)) (string, error) {
	address, _ := lookup(envNotify)
	switch {
	case address == "":
		return "", nil
	case len(address) > maxAddress:
		return "", fmt.Errorf("%s has %d bytes, the limit is %d", envNotify, len(address), maxAddress)
	case strings.ContainsRune(address, 0):
		return "", fmt.Errorf("%s contains a zero byte", envNotify)
	case address[0] == '@' && len(address) > 1, filepath.IsAbs(address):
		return address, nil
	default: // vsock:, which only a virtual machine's first process is given
		return "", fmt.Errorf("%s=%q: want an absolute path, or an abstract address that begins with @", envNotify, address)
	}
}

func parseNames(lookup func(string) (string, bool), pid int) ([]string, error) {
	text, ok := lookup(envPID)
	if !ok {
		return nil, nil
	}
	owner, err := parseNumber(envPID, text)
	if err != nil {
		return nil, err
	}
	if owner != pid {
		return nil, nil // for the parent process, which did not clear its environment
	}
	if text, ok = lookup(envCount); !ok {
		return nil, nil
	}
	count, err := parseNumber(envCount, text)
	switch {
	case err != nil:
		return nil, err
	case count > maxInherited:
		return nil, fmt.Errorf("%s=%d: at most %d descriptors are taken over", envCount, count, maxInherited)
	case count == 0:
		return nil, nil
	}
	joined, ok := lookup(envNames)
	if !ok {
		names := make([]string, count)
		for i := range names {
			names[i] = unnamed
		}
		return names, nil
	}
	if n := strings.Count(joined, ":") + 1; n != count {
		return nil, fmt.Errorf("%s has %d names for %d descriptors", envNames, n, count)
	}
	return strings.Split(joined, ":"), nil
}

func parseNumber(name, text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s=%.40q: want a number", name, text)
	}
	return int(n), nil
}
