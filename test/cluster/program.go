package cluster

import (
	"context"
	"errors"

	"github.com/sealproof/sealproof/test/components"
)

// ProgramOptions describe a process that is started exactly as it is told, with no
// flag added.
type ProgramOptions struct {
	// Name tells it from others.
	Name string
	// Program is one of the binaries that the cluster was given; Path is that of
	// another program, if Program is empty.
	Program components.Name
	Path    string
	Args    []string
	// Env are entries "NAME=value" beside PATH, HOME and TMPDIR.
	Env []string
	// Ready reports why the process cannot serve yet; it gets the process, whose log it
	// may read.
	Ready func(context.Context, *Process) error
}

// StartProgram starts a program and waits until it is ready. If the program ends by
// itself, the error is an *ExitError.
func (c *Cluster) StartProgram(ctx context.Context, o ProgramOptions) (*Process, error) {
	name := c.claimName(o.Name)
	dir, err := c.subdir(name)
	if err != nil {
		return nil, err
	}
	path := o.Path
	if o.Program != "" {
		path = c.opts.Binaries.Path(o.Program)
	}
	p := c.process(name, dir, path, o.Args)
	p.env = append(p.env, o.Env...)
	p.ready = func(ctx context.Context) error { return o.Ready(ctx, p) }
	if err := c.start(p); err != nil {
		return nil, err
	}
	if err := p.WaitReady(ctx); err != nil {
		return nil, errors.Join(err, discard(p))
	}
	return p, nil
}

// Program is the path of one of the binaries that the cluster was given.
func (c *Cluster) Program(name components.Name) string { return c.opts.Binaries.Path(name) }

// Address returns an address on loopback on which nothing listens. It is kept for the
// cluster's life.
func (c *Cluster) Address() (string, error) { return c.nextPort() }
