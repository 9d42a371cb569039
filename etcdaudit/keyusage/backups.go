package keyusage

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Backups is an inventory of backups: somebody's declaration of which there are.
type Backups struct {
	// Declared is the day on which By, a person, declared the inventory complete.
	Declared time.Time
	By       string
	// Paths are files and directories, or patterns of them; none where there are no backups.
	Paths []string
}

// maxPaths bounds what an inventory may list.
const maxPaths = 10_000

// ParseBackups reads an inventory:
//
//	# copies of the production cluster
//	declared: 2026-11-28
//	by: Jane Doe
//	/var/backups/etcd/*.db
//	/mnt/archive/2026-10-01.db.zst
//
// A file without backups has the word none in their place. Nobody can have declared it later than
// now. Errors name the line.
func ParseBackups(text string, now time.Time) (b Backups, err error) {
	none := false
	number := 0
	fail := func(format string, args ...any) error {
		return fmt.Errorf("line %d: %s", number, fmt.Sprintf(format, args...))
	}
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		name, value, header := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case line == "" || line[0] == '#':
		case header && name == "declared":
			if !b.Declared.IsZero() {
				return Backups{}, fail("declared stands there twice")
			}
			if b.Declared, err = time.Parse(time.DateOnly, value); err != nil {
				return Backups{}, fail("%q is no date: write declared: 2026-11-28", value)
			}
			if b.Declared.After(now.Add(24 * time.Hour)) { // anywhere on earth
				return Backups{}, fail("%s has not come yet", value)
			}
		case header && name == "by":
			if b.By != "" || value == "" {
				return Backups{}, fail("want one name of who declares that these are all backups: write by: NAME")
			}
			b.By = value
		case line == "none":
			none = true
		case len(b.Paths) == maxPaths:
			return Backups{}, fail("more than %d paths: use patterns", maxPaths)
		default:
			b.Paths = append(b.Paths, line)
		}
	}
	switch {
	case b.Declared.IsZero():
		err = errors.New("it does not say when it was declared complete: add a line declared: 2026-11-28")
	case b.By == "":
		err = errors.New("it does not say who declares it complete: add a line by: NAME")
	case none && len(b.Paths) > 0:
		err = errors.New("it has both the word none and paths: remove one of them")
	case !none && len(b.Paths) == 0:
		err = errors.New("it lists no backup: add one path or pattern a line, or the word none")
	}
	if err != nil {
		return Backups{}, err
	}
	return b, nil
}
