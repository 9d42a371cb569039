package offline

import (
	"context"
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// atOneMoment replaces the file of a member that runs by what the member sends of it, if that
// can be had. Where it cannot, d stays as it is, and why is said. opened is what the file was
// found to be.
func (s *Set) atOneMoment(ctx context.Context, d *databaseSource, log *logSource, opened file, o Options) (file, error) {
	switch {
	case o.Snapshot == nil:
		d.loose += "; with --endpoints and --work-dir it is asked for a snapshot"
		return opened, nil
	case o.WorkDir == "":
		d.loose += "; with --work-dir it is asked for a snapshot"
		return opened, nil
	case log == nil || log.member == "":
		d.loose += "; it was asked for no snapshot, since no log beside it tells which member it is"
		return opened, nil
	}
	out, err := workFile(o.WorkDir, d.name)
	if err != nil {
		return opened, err
	}
	from, err := o.Snapshot(ctx, log.cluster, log.member, &room{f: out})
	if err != nil {
		_ = out.Close()
		if do := roomFor(err); do != "" || ctx.Err() != nil {
			return opened, &Error{What: "take a snapshot of " + d.name, Err: err, Do: do}
		}
		d.loose += "; " + err.Error()
		return opened, nil
	}
	s.files = append(s.files, out)
	info, err := out.Stat()
	if err != nil {
		return opened, &Error{What: "look at the snapshot of " + d.name, Err: reason(err)}
	}
	if info.Size()%512 != hashSize || info.Size() <= hashSize {
		d.loose += fmt.Sprintf("; the snapshot that %s has sent is cut", from)
		return opened, nil
	}
	s.Bytes += info.Size() - opened.size
	s.Chosen = append(s.Chosen, fmt.Sprintf("%s is read as %s has sent it", d.name, from))
	d.sent, d.loose, d.tail, d.file, d.opened = from, "", d.file, out, info
	opened.kind, opened.size = snapshot, info.Size()
	return opened, nil
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
