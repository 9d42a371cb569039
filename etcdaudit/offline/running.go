package offline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/workfile"
)

// atOneMoment replaces the file of a member that runs by what it is at one moment, if that can
// be had: a reflink of it, or what the member sends. Where neither can, d stays as it is, and why
// is said. opened is what the file was found to be.
func (s *Set) atOneMoment(ctx context.Context, d *databaseSource, log *logSource, opened file, o Options) (file, error) {
	if o.WorkDir == "" {
		d.loose += "; with --work-dir it is asked for a snapshot"
		return opened, nil
	}
	out, err := workFile(o.WorkDir, d.name)
	if err != nil {
		return opened, err
	}
	s.files = append(s.files, out)
	if reflink(ctx, out, d.file) {
		d.as = "as a reflink of the file has it"
	} else {
		from, err := askMember(ctx, out, log, o)
		if do := roomFor(err); do != "" || ctx.Err() != nil {
			return opened, &Error{What: "take a snapshot of " + d.name, Err: err, Do: do}
		}
		if err != nil {
			d.loose += "; " + err.Error()
			return opened, nil //nolint:nilerr // it is said, and the bytes of the file are searched
		}
		d.as, d.tail, opened.kind = "as "+from+" sent it", d.file, snapshot
	}
	info, err := out.Stat()
	if err != nil {
		return opened, &Error{What: "look at the copy of " + d.name, Err: reason(err)}
	}
	s.Bytes += info.Size() - opened.size
	s.Chosen = append(s.Chosen, d.name+" is read "+d.as)
	d.loose, d.file, d.opened, opened.size = "", out, info, info.Size()
	return opened, nil
}

// reflink makes out share the blocks of a database, as file systems such as XFS and btrfs can. It
// is of one moment, since a write is in it as a whole or not at all, and bbolt writes no page that
// the last meta page leads to. The tree is walked all the same.
func reflink(ctx context.Context, out, database *os.File) bool {
	if unix.IoctlFileClone(int(out.Fd()), int(database.Fd())) != nil {
		return false
	}
	info, err := out.Stat()
	if err != nil {
		return false
	}
	db, err := bolt.Open(out, info.Size())
	if err != nil {
		return false
	}
	reach, err := db.Reach(ctx)
	return err == nil && !reach.Any()
}

// askMember writes to out what a member sends of its database, and says which endpoint has.
func askMember(ctx context.Context, out *os.File, log *logSource, o Options) (from string, err error) {
	switch {
	case o.Snapshot == nil:
		return "", errors.New("with --endpoints it is asked for a snapshot")
	case log == nil || log.member == "":
		return "", errors.New("it was asked for no snapshot, since no log beside it tells which member it is: name the data directory, or --wal-dir")
	}
	if err := out.Truncate(0); err != nil {
		return "", err
	}
	if from, err = o.Snapshot(ctx, log.cluster, log.member, &workfile.Writer{File: out}); err != nil {
		return "", err
	}
	if info, err := out.Stat(); err != nil || info.Size()%minimalPage != hashSize || info.Size() == hashSize {
		return "", cmp.Or(err, fmt.Errorf("the snapshot that %s has sent is cut: try again, or save one with etcdctl snapshot save and scan that", from))
	}
	return from, nil
}

// readTail searches the member's own file behind the last page that it has sent. What is found
// there is in no page of the database of that moment.
func (d *databaseSource) readTail(ctx context.Context, add func([]record.Record) error) error {
	if d.tail == nil {
		return nil
	}
	info, err := d.tail.Stat()
	if err != nil || info.Size() <= d.size {
		return err
	}
	at := record.Origin{Layer: record.FreePages, File: d.name}
	return objects(ctx, d.search, d.tail, at, string(d.prefix), d.size, info.Size(), add)
}
