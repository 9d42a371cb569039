package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sealproof/sealproof/test/components"
)

// Options say how a cluster is made. The zero value of each is usable, except
// Binaries.
type Options struct {
	// Binaries are the programs to run, from components.Build: those of the
	// components that will be started.
	Binaries components.Binaries
	// Etcd, APIServer and Plugin choose among the versions of a program:
	// components.Etcd, components.APIServer and components.KMSPlugin by default.
	Etcd, APIServer, Plugin components.Name
	// Log receives what the cluster does, most of it at debug level; nil for
	// nothing.
	Log *slog.Logger
	// KeepLogs makes Close keep the processes' logs, as KeepLogs does.
	KeepLogs bool
}

// VersionsFromEnvironment sets Etcd and APIServer from the environment
// variables SEALPROOF_ETCD and SEALPROOF_APISERVER, which hold a component's
// name ("etcd-3.6") or its release line ("3.6"); what is unset is left alone.
func (o *Options) VersionsFromEnvironment() error {
	for variable, choice := range map[string]struct {
		program components.Name
		field   *components.Name
	}{
		"SEALPROOF_ETCD":      {components.Etcd, &o.Etcd},
		"SEALPROOF_APISERVER": {components.APIServer, &o.APIServer},
	} {
		value := os.Getenv(variable)
		if value == "" {
			continue
		}
		var choices []string
		for _, name := range components.Names() {
			line, isOther := strings.CutPrefix(string(name), string(choice.program)+"-")
			if name != choice.program && !isOther {
				continue
			}
			choices = append(choices, string(name))
			if value == string(name) || isOther && value == line {
				*choice.field = name
			}
		}
		if *choice.field == "" {
			return fmt.Errorf("%s=%q: no such version; there are %s", variable, value, strings.Join(choices, ", "))
		}
	}
	return nil
}

// A Cluster is a set of processes and the directory that they live in. Its
// methods are safe for concurrent use.
type Cluster struct {
	opts   Options
	log    *slog.Logger
	dir    *workDir
	launch *launcher
	ports  ports
	// nextPort is ports.next, except in tests of what happens when the port is
	// taken in the moment before it is bound.
	nextPort func() (string, error)

	// kubernetes makes what all API servers share, when the first one starts.
	kubernetes func() (*kubernetesIdentity, error)

	mu        sync.Mutex
	names     map[string]bool
	processes []*Process // in the order in which they were first started
	closers   []func() error
	keepLogs  bool
	closed    bool
	keptLogs  string
}

// New makes an empty cluster. The caller must call Close.
func New(opts Options) (*Cluster, error) {
	opts.Etcd = cmp.Or(opts.Etcd, components.Etcd)
	opts.APIServer = cmp.Or(opts.APIServer, components.APIServer)
	opts.Plugin = cmp.Or(opts.Plugin, components.KMSPlugin)
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err := newWorkDir()
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		opts: opts, log: log, dir: dir, launch: newLauncher(),
		names: make(map[string]bool), keepLogs: opts.KeepLogs,
	}
	c.nextPort = c.ports.next
	c.kubernetes = sync.OnceValues(c.newKubernetesIdentity)
	if err := os.Mkdir(c.LogDir(), 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("make the directory for logs: %w", err), c.Close())
	}
	return c, nil
}

// Dir is the cluster's directory. It exists until Close; callers may put files
// of their own there, under names that do not begin like a component's.
func (c *Cluster) Dir() string { return c.dir.path }

// LogDir holds one log per process, NAME.log. After a Close that keeps logs it
// is the place where they were left.
func (c *Cluster) LogDir() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keptLogs != "" {
		return c.keptLogs
	}
	return filepath.Join(c.dir.path, "logs")
}

// KeepLogs makes Close move the logs to a directory that stays, and say which.
// Nothing else of the cluster is ever kept: its files hold keys.
func (c *Cluster) KeepLogs() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepLogs = true
}

// Close ends every process, the last one started first, and removes the
// directory. Plugins are asked to stop, everything else is killed: only what
// is under test has to show that it ends well. The error names each process
// that had ended by itself without anyone having noticed, and each plugin that
// the race detector complained about. A second call does nothing.
func (c *Cluster) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	processes, closers, keep := c.processes, c.closers, c.keepLogs
	c.mu.Unlock()

	// From here on a Restart in another goroutine brings nothing back: what was
	// started before is seen below, and nothing is started after.
	c.launch.refuse()
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.unseenExit())
	}
	for _, p := range slices.Backward(processes) {
		if p.graceful {
			errs = append(errs, p.Stop(context.Background()), dataRace(p))
		} else {
			errs = append(errs, p.Kill())
		}
	}
	for _, f := range slices.Backward(closers) {
		errs = append(errs, f())
	}
	c.launch.end()
	errs = append(errs, c.ports.release())
	if keep || errors.Join(errs...) != nil {
		errs = append(errs, c.moveLogs())
	}
	errs = append(errs, c.dir.remove())
	return errors.Join(errs...)
}

func (c *Cluster) moveLogs() error {
	kept, err := os.MkdirTemp("", "sealproof.logs-")
	if err != nil {
		return fmt.Errorf("keep the logs: %w", err)
	}
	// Copied, not renamed, so that a log still open elsewhere does no harm.
	if err := os.CopyFS(kept, os.DirFS(c.LogDir())); err != nil {
		return fmt.Errorf("keep the logs: %w", err)
	}
	c.mu.Lock()
	c.keptLogs = kept
	c.mu.Unlock()
	c.log.Info("logs kept", "directory", kept)
	return nil
}

// dataRace reports what the race detector wrote to a process's log.
func dataRace(p *Process) error {
	if p.lastRun() == nil {
		return nil
	}
	text, err := p.Log()
	if err != nil {
		return err
	}
	const mark = "WARNING: DATA RACE"
	if i := strings.Index(text, mark); i >= 0 {
		return fmt.Errorf("%s has a data race: %.4000s", p.name, text[i:])
	}
	return nil
}

// onClose registers f to be called after the processes have ended.
func (c *Cluster) onClose(f func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closers = append(c.closers, f)
}

// claimName returns base, or base with a number if it is taken.
func (c *Cluster) claimName(base string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := base
	for i := 2; c.names[name]; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	c.names[name] = true
	return name
}

// subdir makes a directory for one component.
func (c *Cluster) subdir(name string) (string, error) {
	dir := filepath.Join(c.dir.path, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the directory of %s: %w", name, err)
	}
	return dir, nil
}

// newProcess describes a process whose name was claimed and whose directory
// exists. It is not started yet, and Close does not know it before it is.
func (c *Cluster) newProcess(name, dir string, program components.Name, args ...string) *Process {
	return c.process(name, dir, c.opts.Binaries.Path(program), args)
}

func (c *Cluster) process(name, dir, path string, args []string) *Process {
	return &Process{
		name: name,
		path: path,
		args: args,
		// Nothing of the caller's own configuration reaches a component: an
		// ETCD_NAME or VAULT_ADDR in the environment would change what is
		// tested, or be fatal.
		env: append([]string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir,
			// The race detector sleeps a second before each exit by default.
			"GORACE=atexit_sleep_ms=0",
		}, coverage()...),
		dir:     dir,
		logPath: filepath.Join(c.LogDir(), name+".log"),
		log:     c.log,
		launch:  c.launch,
	}
}

// coverage passes on where instrumented binaries leave their counters.
func coverage() []string {
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		return []string{"GOCOVERDIR=" + dir}
	}
	return nil
}

// start starts p for the first time; from now on Close ends it.
func (c *Cluster) start(p *Process) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fmt.Errorf("start %s: %w", p.name, errClosed)
	}
	if err := p.Start(); err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	return nil
}

// discard ends processes that were started in vain.
func discard(processes ...*Process) error {
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}
