package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// CopyDatabase writes to w what the Snapshot RPC sends of one member: its database file up to
// the last page, free pages included, at one moment, and the SHA-256 of that. The member is the
// one of the given endpoints that has these ids, in hexadecimal; it returns which that is. etcd
// allows it to its user root only where its authentication is on. Config.Rate counts its bytes.
func CopyDatabase(ctx context.Context, c Config, cluster, member string, w io.Writer) (endpoint string, err error) {
	var errs []error
	for _, endpoint := range c.Endpoints {
		one := c
		one.Endpoints = []string{endpoint}
		sent, err := one.copyDatabase(ctx, cluster, member, w)
		if sent || ctx.Err() != nil {
			return endpoint, err
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		texts := make([]string, len(errs))
		for i, err := range errs {
			texts[i] = err.Error()
		}
		return "", errors.New(strings.Join(texts, "; ")) // one line, as all errors are
	}
	return "", &Error{
		Op: "take a snapshot of member " + member, What: fmt.Sprintf("none of %s is that member of cluster %s", strings.Join(c.Endpoints, ", "), cluster),
		Do: "name its own address with --endpoints",
	}
}

// copyDatabase asks the one endpoint. sent is set where it is the member, so that no other one
// need be asked.
func (c Config) copyDatabase(ctx context.Context, cluster, member string, w io.Writer) (sent bool, err error) {
	s, err := Connect(ctx, c)
	if err != nil {
		return false, err
	}
	defer func() { _ = s.Close() }()
	const op = "take a snapshot"
	asked, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	status, err := s.client.Status(asked, s.endpoints[0].url)
	if err != nil {
		return false, s.explain(ctx, op, err)
	}
	if of := status.Header; fmt.Sprintf("%x", of.ClusterId) != cluster || fmt.Sprintf("%x", of.MemberId) != member {
		return false, nil
	}
	sending, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// The whole may take long; a part of it may not.
	silent := time.AfterFunc(s.timeout, func() { stop(context.DeadlineExceeded) })
	defer silent.Stop()
	failed := func(err error) error {
		if cause := context.Cause(sending); cause != nil && ctx.Err() == nil {
			err = cause
		}
		return s.refusedSnapshot(ctx, op, err)
	}
	from, err := s.client.Snapshot(sending)
	if err != nil {
		return true, failed(err)
	}
	defer func() { _ = from.Close() }()
	paced := pace{rate: c.Rate}
	to := &awake{w: w, call: func(size int) {
		silent.Stop()
		paced.wait(ctx, int64(size))
		silent.Reset(s.timeout)
	}}
	if _, err := io.Copy(to, from); to.err != nil {
		return true, to.err
	} else if err != nil {
		return true, failed(err)
	}
	return true, nil
}

func (s *Store) refusedSnapshot(ctx context.Context, op string, err error) error {
	for _, refusal := range []error{rpctypes.ErrPermissionDenied, rpctypes.ErrUserNotFound, rpctypes.ErrUserEmpty} {
		if errors.Is(rpctypes.Error(err), refusal) {
			return &Error{Kind: Permission, Op: op + " from " + s.endpoints[0].url, Err: err, What: "etcd's authentication is on, and this user may not take one", Do: "etcd sends it to its user root only: set ETCDCTL_USER=root and ETCDCTL_PASSWORD"}
		}
	}
	err = s.explain(ctx, op, err)
	if e, ok := errors.AsType[*Error](err); ok && e.Do == "" && ctx.Err() == nil {
		e.Do = "save one with etcdctl snapshot save, and scan that"
	}
	return err
}

// awake calls a function before each write, and keeps the error of one.
type awake struct {
	w    io.Writer
	call func(size int)
	err  error
}

func (a *awake) Write(p []byte) (n int, err error) {
	a.call(len(p))
	n, a.err = a.w.Write(p)
	return n, a.err
}
