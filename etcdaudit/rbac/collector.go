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
	add := c.adder(key)
	if add == nil {
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

// Retract takes notice that a key was changed or deleted after it was added. What it held stays
// among the objects, which are then said not to be whole.
func (c *Collector) Retract(key []byte) {
	if c.adder(key) == nil {
		return
	}
	c.seen--
	c.unread["changed while they were read"]++
}

// adder returns what adds the value of a key to the objects; nil for a key of another kind.
func (c *Collector) adder(key []byte) func([]byte) error {
	if !bytes.HasPrefix(key, c.prefix) {
		return nil
	}
	path, _, ok := bytes.Cut(key[len(c.prefix):], []byte("/"))
	if !ok {
		return nil
	}
	switch string(path) {
	case "clusterroles":
		return adder("ClusterRole", c.Objects.AddClusterRole)
	case "roles":
		return adder("Role", c.Objects.AddRole)
	case "clusterrolebindings":
		return adder("ClusterRoleBinding", c.Objects.AddClusterRoleBinding)
	case "rolebindings":
		return adder("RoleBinding", c.Objects.AddRoleBinding)
	}
	return nil
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
