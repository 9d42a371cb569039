package rbac

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Collector gathers the objects of RBAC among the keys of one etcd.
type Collector struct {
	Objects Objects
	prefix  []byte
	seen    int
	unread  map[string]int // by reason
	limit   error
}

// NewCollector returns a collector of the keys under a prefix, which has no trailing slash.
func NewCollector(prefix string) *Collector {
	return &Collector{prefix: []byte(prefix + "/"), unread: map[string]int{}}
}

// longest bounds one value, in bytes. etcd takes no larger request unless it is told to.
const longest = 2 << 20

// Add looks at one key, and keeps what the authorizer uses of an object of RBAC. It keeps
// neither key nor value.
func (c *Collector) Add(key, value []byte) {
	if !bytes.HasPrefix(key, c.prefix) {
		return
	}
	path, _, ok := bytes.Cut(key[len(c.prefix):], []byte("/"))
	if !ok {
		return
	}
	var add func([]byte) error
	switch string(path) {
	case "clusterroles":
		add = adder("ClusterRole", c.Objects.AddClusterRole)
	case "roles":
		add = adder("Role", c.Objects.AddRole)
	case "clusterrolebindings":
		add = adder("ClusterRoleBinding", c.Objects.AddClusterRoleBinding)
	case "rolebindings":
		add = adder("RoleBinding", c.Objects.AddRoleBinding)
	default:
		return
	}
	c.seen++
	if c.limit != nil {
		return
	}
	err := errTooLong
	if len(value) <= longest {
		err = add(value)
	}
	switch {
	case err == nil:
	case errors.As(err, new(limitError)):
		c.limit = err
	default:
		c.unread[err.Error()]++
	}
}

var errTooLong = fmt.Errorf("longer than %d MiB", longest>>20)

// adder decodes one stored object, and adds it.
func adder[T any, M interface {
	*T
	message
}](kind string, add func(T) error) func([]byte) error {
	return func(value []byte) error {
		var object T
		if err := decode(value, kind, M(&object)); err != nil {
			return err
		}
		return add(object)
	}
}

// Seen is how many keys were of objects of RBAC.
func (c *Collector) Seen() int { return c.seen }

// Unread says what of the objects could not be read, and why; empty if all of them were.
func (c *Collector) Unread() string {
	var all []string
	for _, reason := range slices.Sorted(maps.Keys(c.unread)) {
		all = append(all, fmt.Sprintf("%d of %d objects of RBAC are %s", c.unread[reason], c.seen, reason))
	}
	if c.limit != nil {
		all = append(all, c.limit.Error())
	}
	return strings.Join(all, "; ")
}
