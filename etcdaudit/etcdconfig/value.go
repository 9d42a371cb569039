package etcdconfig

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is how a flag reads its value.
type kind uint8

const (
	text kind = iota + 1
	boolean
	natural   // uint
	natural32 // uint32
	natural64 // uint64
	integer   // int
	integer64 // int64
	duration
	list    // in the order given
	set     // sorted, each once
	urls    // sorted, each once
	origins // urls, or "*"
	choice  // one of setting.valid
	choices // all of setting.valid that were ever given
	gates   // name=bool, each new flag adds
	ignored // accepted and forgotten
)

// value is what one setting has.
type value struct {
	// items has one entry, or those of a list.
	items  []string
	origin Origin
	// set is whether it was written, and not by default.
	set bool
	// known are the URLs that a flag would not set again (pkg/flags/unique_urls.go).
	known map[string]bool
}

func (v *value) text() string {
	if v == nil {
		return ""
	}
	return strings.Join(v.items, ",")
}

// number is 0 for what is not one; only numbers are asked.
func (v *value) number() int64 {
	n, _ := strconv.ParseInt(v.text(), 10, 64) // parsed once already, by assign
	return n
}

func (v *value) isTrue() bool { return v.text() == "true" }

// initial returns the value that a flag has before it is set.
func (s *setting) initial(def string) *value {
	switch s.kind {
	case list, set, choices, gates:
		if def != "" {
			return &value{items: strings.Split(def, ",")}
		}
		return &value{}
	case urls, origins:
		v := &value{known: map[string]bool{}}
		if def != "" {
			v.items, v.known[def] = []string{def}, true // no default has two
		}
		return v
	}
	return &value{items: []string{def}}
}

// assign sets v as etcd's flag of that kind does. An error does not contain the value:
// it may be a password.
func (s *setting) assign(v *value, given string) error {
	switch s.kind {
	case urls, origins:
		return v.assignURLs(s.kind, given)
	case gates:
		return v.assignGates(s.valid, given)
	case choices:
		for item := range strings.SplitSeq(given, ",") {
			if !slices.Contains(s.valid, item) {
				return fmt.Errorf("it takes %s", strings.Join(s.valid, ", "))
			}
			v.items = append(v.items, item)
		}
		slices.Sort(v.items)
	case list:
		v.items = strings.Split(given, ",")
	case set:
		v.items = unique(strings.Split(given, ","))
	case ignored:
	default:
		one, err := s.scalar(given)
		if err != nil {
			return err
		}
		v.items = []string{one}
	}
	return nil
}

// scalar returns a single value in the form that it is shown in.
func (s *setting) scalar(given string) (string, error) {
	switch s.kind {
	case boolean:
		b, err := strconv.ParseBool(given)
		return strconv.FormatBool(b), reason(err, "it takes true or false")
	case natural, natural64:
		n, err := strconv.ParseUint(given, 0, 64)
		return strconv.FormatUint(n, 10), reason(err, "it takes a number that is not negative")
	case natural32:
		n, err := strconv.ParseUint(given, 0, 32)
		return strconv.FormatUint(n, 10), reason(err, "it takes a number below 4294967296")
	case integer, integer64:
		n, err := strconv.ParseInt(given, 0, 64)
		return strconv.FormatInt(n, 10), reason(err, "it takes a number")
	case duration:
		d, err := time.ParseDuration(given)
		return d.String(), reason(err, "it takes a duration with a unit, such as 5s")
	case choice:
		if !slices.Contains(s.valid, given) {
			return "", fmt.Errorf("it takes %s", strings.Join(s.valid, " or "))
		}
	}
	return given, nil
}

// reason replaces an error that would repeat the value.
func reason(err error, text string) error {
	if err != nil {
		return errors.New(text)
	}
	return nil
}

// assignURLs follows UniqueURLs.Set: what is among the URLs already changes nothing, even
// if there are more of them, and "" is accepted and changes nothing either.
func (v *value) assignURLs(k kind, given string) error {
	allowed := map[kind]string{urls: "", origins: "*"}[k]
	if v.known[given] {
		return nil
	}
	if given == allowed {
		v.known[given] = true
		if k == origins {
			v.items = slices.Sorted(maps.Keys(v.known))
		}
		return nil
	}
	parsed, err := parseURLs(given)
	if err != nil {
		return err
	}
	v.items, v.known = unique(parsed), map[string]bool{}
	for _, item := range v.items {
		v.known[item] = true
	}
	return nil
}

// parseURLs follows types.NewURLs (client/pkg/types/urls.go).
func parseURLs(given string) ([]string, error) {
	var all []string
	for item := range strings.SplitSeq(given, ",") {
		item = strings.TrimSpace(item)
		u, err := url.Parse(item)
		if err != nil {
			return nil, errors.New("it has a URL that cannot be parsed")
		}
		switch u.Scheme {
		case "http", "https":
			if _, _, err := net.SplitHostPort(u.Host); err != nil {
				return nil, fmt.Errorf("%s has not the form scheme://host:port", u.Redacted())
			}
			if u.Path != "" {
				return nil, fmt.Errorf("%s has a path", u.Redacted())
			}
		case "unix", "unixs":
		default:
			return nil, fmt.Errorf("%s does not begin with http://, https://, unix:// or unixs://", u.Redacted())
		}
		all = append(all, u.String())
	}
	slices.Sort(all)
	return all, nil
}

// assignGates follows featuregate.Set: gates that were set before stay set.
func (v *value) assignGates(valid []string, given string) error {
	all := map[string]bool{}
	for _, pair := range append(v.items, strings.Split(given, ",")...) {
		if pair == "" {
			continue
		}
		name, written, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		on, err := strconv.ParseBool(strings.TrimSpace(written))
		switch {
		case !found || err != nil:
			return fmt.Errorf("%s takes true or false", name)
		case !slices.Contains(valid, name):
			return fmt.Errorf("there is no feature gate %s in this release", name)
		}
		all[name] = on
	}
	v.items = nil
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v.items = append(v.items, fmt.Sprintf("%s=%t", name, all[name]))
	}
	return nil
}

// unique returns the texts sorted, each once.
func unique(all []string) []string {
	sorted := slices.Sorted(slices.Values(all))
	return slices.Compact(sorted)
}
