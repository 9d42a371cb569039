package etcdconfig

import (
	"fmt"
	"strconv"
	"strings"
)

// Newest is the newest release that this package knows.
func Newest() Release { return Release{Major: 3, Minor: newestMinor} }

// The minor releases of etcd 3 that this package knows.
const (
	oldestMinor = 5
	newestMinor = 7
)

// ReleaseOf returns the release of a version such as "3.7.3", "v3.6.0-rc.1" or "3.5". It
// is the zero value where the version does not say.
func ReleaseOf(version string) Release {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return Release{}
	}
	major, majorErr := strconv.ParseUint(parts[0], 10, 8)
	minor, minorErr := strconv.ParseUint(parts[1], 10, 8)
	if majorErr != nil || minorErr != nil {
		return Release{}
	}
	return Release{Major: int(major), Minor: int(minor)}
}

// String returns it as "3.7".
func (r Release) String() string { return fmt.Sprintf("%d.%d", r.Major, r.Minor) }

// nearest returns the release whose rules are applied, and whether that is r itself.
func (r Release) nearest() (rules Release, same bool) {
	minor := r.Minor
	if r.Major != 3 || minor > newestMinor {
		minor = newestMinor
	}
	rules = Release{Major: 3, Minor: max(minor, oldestMinor)}
	return rules, rules == r
}
