package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// noteHalf notes etcd's revision when half of the Secrets are rewritten.
func (d *demo) noteHalf(ctx context.Context) func(n, total int) {
	return func(n, total int) {
		if n != total/2 {
			return
		}
		if now, err := d.etcd.Client().Get(ctx, "/", clientv3.WithCountOnly()); err == nil {
			d.halfRevision = now.Header.Revision
		}
	}
}

// residue: what encryption has left behind is found, and removed as the report says.
func (d *demo) residue(ctx context.Context) error {
	d.act(7, "RESIDUE", "what was readable in the first act is still in etcd's files, and is removed")
	if d.halfRevision == 0 {
		return errors.New("RESIDUE: the revision at which half of the Secrets were rewritten is not known")
	}
	data, dir := d.etcd.Member(0).DataDir, filepath.Dir(d.etcd.Member(0).DataDir)
	snapshot, report := filepath.Join(dir, "snapshot.db"), filepath.Join(dir, "report.json")
	if err := d.wait("etcd compacts the older half of its history, as API servers have it do, and a snapshot is taken", func() error {
		if _, err := d.etcd.Client().Compact(ctx, d.halfRevision, clientv3.WithCompactPhysical()); err != nil {
			return fmt.Errorf("compact: %w", err)
		}
		return d.shell(ctx, "etcdctl snapshot save "+snapshot, nil)
	}); err != nil {
		return err
	}
	files := d.etcd.ClientFiles()
	d.say("   $ etcdaudit scan --endpoints ... --work-dir ... .../member-data .../snapshot.db")
	out, err := d.run(ctx, 1, "scan", data, snapshot, "--work-dir", dir, "--output", "table", "--output", "json="+report,
		"--endpoints", d.etcd.Endpoints()[0], "--cacert", files.CA, "--cert", files.Cert, "--key", files.Key)
	if err != nil {
		return err
	}
	d.quote(withoutLower(excerpt(out, "Scope:", "Verdict", "FAIL            EA-121")))
	flat := strings.Join(strings.Fields(out), " ")
	for _, layer := range []string{"history:", "free-pages:", "wal:", "history:" + snapshot, "free-pages:" + snapshot} {
		if !strings.Contains(flat, "behind live values: "+layer) {
			return fmt.Errorf("RESIDUE: the report finds nothing in %s", layer)
		}
	}
	steps, err := runbookOf(report)
	if err != nil {
		return err
	}
	if err := d.carryOut(ctx, steps); err != nil {
		return err
	}
	if err := d.wait("etcd stops, so that its files can be read as they are", func() error { return d.etcd.Stop(ctx) }); err != nil {
		return err
	}
	d.say("   $ etcdaudit scan .../member-data")
	if out, err = d.run(ctx, 0, "scan", data); err != nil {
		return err
	}
	d.quote(withoutLower(excerpt(out, "Scope:", "Verdict", "PASS            EA-121")))
	if err := d.searched(dir); err != nil {
		return err
	}
	if err := d.etcd.Restart(ctx); err != nil {
		return err
	}
	d.verdict("RESIDUE", "history, free pages, write-ahead log and snapshot had copies of readable Secrets; none is left")
	return nil
}

// withoutLower leaves out of a verdict what is below the severity that fails. Whether a free page
// has a piece without its beginning (EA-123) is left to chance.
func withoutLower(report string) string {
	return regexp.MustCompile(`;\s+below\s+it:[^\n]*\n(?:  [^\n]*\n)*`).ReplaceAllString(report, "\n")
}

// runbookOf reads the steps of a stored report.
func runbookOf(file string) ([]*auditv1.Step, error) {
	text, err := os.ReadFile(file) //nolint:gosec // a file of this demo
	if err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	r := new(auditv1.Report)
	if err := protojson.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	if len(r.GetRunbook()) == 0 {
		return nil, errors.New("RESIDUE: the report has no runbook")
	}
	return r.GetRunbook(), nil
}

// filledIn is how the etcd of this demo is stopped and started: it is no unit and no static
// pod, so the runbook asks for that.
const filledIn = `
tell() { printf '%s\n' "$*" >&3; read -r answer <&4; test "$answer" = ok || { echo "$answer" >&2; exit 1; }; }
stop_etcd() { tell stop; }
start_etcd() { shift; tell start "$@"; }
`

// carryOut runs the commands of all steps as they are printed, but for the last, which scans
// etcd while it runs.
func (d *demo) carryOut(ctx context.Context, steps []*auditv1.Step) error {
	d.say("   The report has the steps that remove it, with their commands. They are carried out as printed;")
	d.say("   only how this etcd is stopped and started is filled in, as the runbook asks.")
	var script strings.Builder
	for i, step := range steps {
		fmt.Fprintf(&script, "echo 'step %d' >&3; read -r answer <&4\n", i)
		for _, command := range step.GetCommands() {
			if !strings.HasPrefix(command, "etcdaudit scan ") {
				script.WriteString(command + "\n")
			}
		}
		if strings.Contains(strings.Join(step.GetCommands(), "\n"), "stop_etcd()") {
			script.WriteString(filledIn)
		}
	}
	member := d.etcd.Member(0)
	start := time.Now()
	err := d.shell(ctx, script.String(), func(what string) error {
		var at int
		words := strings.Fields(what)
		switch {
		case len(words) == 0:
			return errors.New("nothing is asked for")
		case words[0] == "stop":
			return member.Stop(ctx)
		case words[0] == "start":
			member.SetFlags(words[1:]...)
			if err := member.Start(); err != nil {
				return err
			}
			return member.WaitReady(ctx)
		}
		if _, err := fmt.Sscanf(what, "step %d", &at); err != nil || at >= len(steps) {
			return fmt.Errorf("%q is not known", what)
		}
		d.say("   %d. %s", at+1, steps[at].GetTitle())
		return nil
	})
	if err != nil {
		return fmt.Errorf("RESIDUE: the runbook: %w", err)
	}
	d.say("   All of it took %d s.", int(time.Since(start).Seconds()))
	return nil
}

// shell runs a script with etcdctl at hand. Lines that it writes to descriptor 3 are handed to
// answer, and what came of each is what it reads from 4.
func (d *demo) shell(ctx context.Context, script string, answer func(string) error) error {
	asked, asks, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = asked.Close() }()
	told, tells, err := os.Pipe()
	if err != nil {
		return errors.Join(err, asks.Close())
	}
	defer func() { _ = tells.Close() }()
	files := d.etcd.ClientFiles()
	cmd := exec.CommandContext(ctx, "sh", "-e") // what it runs are the commands of a report about this demo's etcd
	cmd.Stdin, cmd.Dir = strings.NewReader(script), filepath.Dir(d.etcd.Member(0).DataDir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.ExtraFiles = []*os.File{asks, told}
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(d.etcdctl)+":"+os.Getenv("PATH"),
		"ETCDCTL_ENDPOINTS="+d.etcd.Endpoints()[0], "ETCDCTL_CACERT="+files.CA, "ETCDCTL_CERT="+files.Cert, "ETCDCTL_KEY="+files.Key)
	err = cmd.Start()
	_, _ = asks.Close(), told.Close()
	if err != nil {
		return fmt.Errorf("run a shell: %w", err)
	}
	served := make(chan error, 1)
	go func() { served <- serve(asked, tells, answer) }()
	if err := errors.Join(<-served, cmd.Wait()); err != nil {
		return fmt.Errorf("%w: %s", err, out.String())
	}
	return nil
}

// serve answers until the other side closes.
func serve(asked io.Reader, tells io.Writer, answer func(string) error) error {
	lines := bufio.NewScanner(asked)
	for lines.Scan() {
		reply := "ok"
		if err := answer(lines.Text()); err != nil {
			reply = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		if _, err := fmt.Fprintln(tells, reply); err != nil {
			return err
		}
	}
	return lines.Err()
}

// searched looks for the password that the first act has shown in every file of etcd.
func (d *demo) searched(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // a file of this demo
		if err != nil {
			return err
		}
		if bytes.Contains(data, []byte(password)) {
			return fmt.Errorf("RESIDUE: the password is still in %s", path)
		}
		return nil
	})
}
