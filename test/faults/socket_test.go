package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
)

// socketFaults are what a plugin may find in the place of its socket.
func socketFaults(t *testing.T, results *results) {
	p := newVault(t, results, 1)
	p.local = p.plugin(t, "local", nil)
	p.direct = p.local
	p.seal(t)
	p.refusedPaths(t)
	p.staleSocket(t)
	p.secondPlugin(t)
	p.foreignUID(t)
	p.takeover(t)
}

// foreignUID has a plugin serve another user only, and then this one too.
func (p *plane) foreignUID(t *testing.T) {
	t.Helper()
	t.Run("peer uid", func(t *testing.T) {
		const name = "peer uid not allowed"
		serving := func(uids ...string) map[string]any {
			return map[string]any{"socket": map[string]any{"allow-uids": uids}}
		}
		stranger, own := strconv.Itoa(os.Getuid()+1), strconv.Itoa(os.Getuid())
		guarded := must(p.c.StartPlugin(p.ctx, cluster.PluginOptions{
			Name: "guarded", Vault: p.vault, Role: p.role, Key: keyName, VaultAway: true, Config: serving(stranger),
		}))(t)
		stop := p.watchLive(guarded)
		check(t, cluster.Until(p.ctx, func(ctx context.Context) error { return inState(ctx, guarded, "ok") }))
		var calls told
		for range callers {
			calls.ask(func() error { return p.callOnce(guarded) })
		}
		if calls.codes[codes.Unavailable] != callers {
			t.Errorf("a user that is not listed is told %v", calls.codes)
		}
		check(t, guarded.Configure(serving(stranger, own)))
		check(t, guarded.Restart(p.ctx))
		check(t, guarded.WaitServing(p.ctx))
		check(t, p.callOnce(guarded))
		said := calls.String()
		p.results.add(t, row{fault: name, how: "`socket.allow-uids` lists another user", status: said, encrypt: said, held: said, cold: said,
			direct: notAsked, longest: seconds(calls.longest), back: notAsked, livez: stop(), end: "the connection is closed at once; served once listed"})
	})
}

// refused runs a second plugin on a path that it must refuse, and records what
// it said.
func (p *plane) refused(t *testing.T, name, how, path, want, end string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	binary := must(programs())(t).Binaries.Path(components.KMSPluginRace)
	begin := time.Now()
	out, err := exec.CommandContext(ctx, binary, "serve", "--config", p.local.ConfigFile(), "--listen", "", "--socket-path", path).CombinedOutput()
	took := time.Since(begin)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 1 || !strings.Contains(string(out), want) {
		t.Errorf("%v, want exit status 1 and %q: %s", err, want, out)
	}
	p.results.add(t, row{fault: name, how: how, status: notAsked, encrypt: notAsked, held: notAsked, cold: notAsked, direct: notAsked,
		longest: seconds(took), back: notAsked, livez: notAsked, end: "exit status 1: “" + want + "”" + end})
}

func (p *plane) refusedPaths(t *testing.T) {
	t.Helper()
	dir := filepath.Join(p.c.Dir(), "occupied")
	check(t, os.Mkdir(dir, 0o700))
	t.Run("missing directory", func(t *testing.T) {
		p.refused(t, "socket directory missing", "`socket.path` below a directory that does not exist",
			filepath.Join(dir, "missing", "kms.sock"), "does the directory exist, and may this user write there?", "")
	})
	t.Run("read-only directory", func(t *testing.T) {
		// Where not even root may create a file.
		p.refused(t, "socket directory read-only", "`socket.path` in /sys",
			"/sys/kms.sock", "does the directory exist, and may this user write there?", "")
	})
	t.Run("regular file", func(t *testing.T) {
		file := filepath.Join(dir, "file")
		check(t, os.WriteFile(file, []byte("precious"), 0o600))
		p.refused(t, "regular file in the socket's place", "a file that is not empty", file, "is taken by a regular file", "; the file is untouched")
		if text := must(os.ReadFile(file))(t); string(text) != "precious" {
			t.Error("the file was touched")
		}
	})
	t.Run("symbolic link", func(t *testing.T) {
		link := filepath.Join(dir, "link")
		check(t, os.Symlink(p.local.Socket(), link))
		p.refused(t, "symbolic link in the socket's place", "a link to another plugin's socket", link, "is taken by a symbolic link", "; the link is untouched")
		if target, err := os.Readlink(link); err != nil || target != p.local.Socket() {
			t.Errorf("the link leads to %q, %v", target, err)
		}
		p.served(t)
	})
}

// served asks the plugin for everything, and returns what it served.
func (p *plane) served(t *testing.T) observation {
	t.Helper()
	return p.observeAlone(t)
}

// whole is a row in which everything was served.
func (o observation) whole(fault, how, livez, end string) row {
	return row{fault: fault, how: how, status: o.status.String(), encrypt: o.encrypt.String(), held: o.held.String(), cold: o.cold.String(),
		direct: notAsked, longest: seconds(o.longest), back: notAsked, livez: livez, end: end}
}

func (p *plane) staleSocket(t *testing.T) {
	t.Helper()
	t.Run("stale socket", func(t *testing.T) {
		stop := p.watchLive(p.local)
		check(t, p.local.Kill())
		info := must(os.Lstat(p.local.Socket()))(t)
		if info.Mode().Type() != os.ModeSocket {
			t.Fatalf("a plugin that was killed leaves %v", info.Mode())
		}
		began := time.Now()
		check(t, p.local.Start())
		check(t, p.local.WaitServing(p.ctx))
		back := time.Since(began)
		o := p.served(t)
		r := o.whole("stale socket", "plugin killed with SIGKILL and started again", stop(), "replaced and served")
		r.back = seconds(back)
		p.results.add(t, r)
	})
}

func (p *plane) secondPlugin(t *testing.T) {
	t.Helper()
	t.Run("second plugin", func(t *testing.T) {
		const name = "second plugin on the socket"
		p.refused(t, name, "the same configuration, while the first serves", p.local.Socket(), "is served by a process that runs", "; the first serves on")
		p.served(t)
	})
}

// takeover replaces a plugin while a client that never repeats a request makes a
// new connection for every call.
func (p *plane) takeover(t *testing.T) {
	t.Helper()
	t.Run("takeover", func(t *testing.T) {
		const name = "second plugin on the socket, with takeover"
		stop := p.watchLive(p.local)
		var calls told
		quit := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-quit:
						return
					default:
						calls.ask(func() error { return p.callOnce(p.local) })
					}
				}
			})
		}
		before := must(inode(p.local.Socket()))(t)
		second := must(p.c.StartPlugin(p.ctx, cluster.PluginOptions{
			Name: "second", Vault: p.vault, Role: p.role, Key: keyName, Addresses: []string{p.proxy.URL}, VaultAway: true,
			Config: map[string]any{"probe-interval": "200ms", "probe-interval-failing": "200ms", "promotion-delay": "2s",
				"socket": map[string]any{"path": p.local.Socket(), "takeover": true}},
		}))(t)
		var file uint64
		check(t, cluster.Until(p.ctx, func(ctx context.Context) (err error) {
			if file, err = inode(p.local.Socket()); err == nil && file == before {
				err = errors.New("the socket is still the first plugin's")
			}
			return errors.Join(err, inState(ctx, second, "ok"))
		}))
		first := p.local.PID()
		check(t, p.local.Stop(p.ctx))
		if now, err := inode(p.local.Socket()); err != nil || now != file {
			t.Errorf("the first plugin removed the second one's socket: %v", err)
		}
		check(t, p.callOnce(p.local))
		check(t, cluster.Until(p.ctx, func(context.Context) error { return atLeast(10, calls.made()) }))
		close(quit)
		wg.Wait()
		if len(calls.codes) != 1 {
			t.Errorf("callers are told %v", calls.codes)
		}
		if second.PID() == first || !second.Running() {
			t.Error("the second plugin does not run")
		}
		o := p.served(t)
		o.longest = max(o.longest, calls.longest)
		p.results.add(t, o.whole(name, "`socket.takeover`, then the first stopped; a new connection for every call", stop(), "no call failed; the second serves"))
	})
}

// callOnce asks for everything over a connection of its own.
func (p *plane) callOnce(plugin *cluster.Plugin) (err error) {
	ctx, cancel := context.WithTimeout(p.ctx, answerLimit)
	defer cancel()
	conn, err := grpc.NewClient("unix://"+plugin.Socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	client := kms.NewKeyManagementServiceClient(conn)
	if _, err := client.Status(ctx, &kms.StatusRequest{}); err != nil {
		return err
	}
	if _, err := client.Encrypt(ctx, &kms.EncryptRequest{Plaintext: []byte("once"), Uid: "once"}); err != nil {
		return err
	}
	_, err = client.Decrypt(ctx, p.held)
	return err
}

func inode(path string) (uint64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s has no inode", path)
	}
	return st.Ino, nil
}
