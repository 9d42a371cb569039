// Command demo shows Sealproof's main job on real components, in seven acts, and
// ends with exit status 0 only if every act kept its promise.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
)

func main() {
	os.Exit(mainStatus())
}

func mainStatus() int {
	once := flag.Bool("once", false, "end after the last act instead of staying up to be tried by hand")
	transcript := flag.String("transcript", "", "after the last act, check or write the transcript in README.md")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	switch err := perform(ctx, *once, *transcript); {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "demo: interrupted")
		return 130
	default:
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
}

// perform runs the demo and compares or stores what it printed.
func perform(ctx context.Context, once bool, transcript string) error {
	var printed bytes.Buffer
	if err := run(ctx, once, &printed); err != nil {
		return err
	}
	switch transcript {
	case "":
		return nil
	case "check":
		return checkTranscript("README.md", printed.String())
	case "write":
		return writeTranscript("README.md", printed.String())
	default:
		return fmt.Errorf("-transcript=%s: want check or write", transcript)
	}
}

func run(ctx context.Context, once bool, printed io.Writer) (err error) {
	binaries, err := components.Build(ctx, os.Stderr, components.Etcd, components.Etcdctl, components.KMSPlugin, components.ETCDAudit, components.Vault, components.APIServer)
	if err != nil {
		return err
	}
	c, err := cluster.New(cluster.Options{Binaries: binaries})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			c.KeepLogs()
		}
		err = errors.Join(err, c.Close())
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w\nthe logs of all processes are in %s", err, c.LogDir())
		}
	}()
	d := &demo{
		stage:   newStage(os.Stdout, printed),
		c:       c,
		auditor: binaries.Path(components.ETCDAudit),
		etcdctl: binaries.Path(components.Etcdctl),
		secrets: cluster.NewSecretWriter(),
	}
	d.header()
	for _, act := range []func(context.Context) error{d.before, d.after, d.rotate, d.outage, d.proof, d.audited, d.residue} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	if once {
		return nil
	}
	d.invite()
	<-ctx.Done()
	d.say("\nStopping everything.")
	return nil
}
