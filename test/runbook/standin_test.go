package runbook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealproof/sealproof/test/testkit"
)

// Stand-ins for what nodes have and this machine has not. ssh is a shell script: a node's
// commands run here, with its directories in place of the usual ones. systemctl and pgrep are
// this test's own binary, which passes its arguments to the test; that starts and stops the
// real etcd.

// The variables that a stand-in gets: the node that it runs on, and the test's socket.
const (
	nodeVariable   = "SEALPROOF_NODE"
	socketVariable = "SEALPROOF_SOCKET"
)

// call is one call of a stand-in, and answer what came of it.
type call struct {
	Node string
	Args []string
}

type answer struct {
	Out  string
	Code int
}

func TestMain(m *testing.M) {
	if socket := os.Getenv(socketVariable); socket != "" {
		os.Exit(standIn(socket))
	}
	os.Exit(m.Run())
}

func standIn(socket string) int {
	conn, err := net.Dial("unix", socket)
	if err == nil {
		err = json.NewEncoder(conn).Encode(call{os.Getenv(nodeVariable), os.Args[1:]})
	}
	var a answer
	if err == nil {
		err = json.NewDecoder(conn).Decode(&a)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stand-in:", err)
		return 125
	}
	_, _ = os.Stdout.WriteString(a.Out)
	return a.Code
}

// standIns makes the programs in a directory, and answers their calls until the test ends.
// Nodes have their directories below root.
func standIns(t *testing.T, root string, handle func(call) answer) (dir string) {
	t.Helper()
	dir = t.TempDir()
	socket := filepath.Join(dir, "socket")
	listener := testkit.Must(net.Listen("unix", socket))(t)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				var c call
				if err := json.NewDecoder(conn).Decode(&c); err != nil {
					if !errors.Is(err, io.EOF) {
						t.Errorf("a stand-in's call: %v", err)
					}
					return
				}
				_ = json.NewEncoder(conn).Encode(handle(c))
			}()
		}
	}()
	self := testkit.Must(os.Executable())(t)
	for _, name := range []string{"systemctl", "pgrep"} {
		program(t, dir, name, fmt.Sprintf("%s=%s exec %s %s \"$@\"\n", socketVariable, socket, self, name))
	}
	program(t, dir, "ssh", fmt.Sprintf(`for command; do :; done
while test "${1#root@}" = "$1"; do shift; done
export %s="${1#root@}"
exec sh -c "$(printf '%%s' "$command" | sed -e "s|/var/lib/etcd|%[2]s/${1#root@}&|g" -e "s|/etc/kubernetes|%[2]s/${1#root@}&|g" -e "s|/run/systemd|%[2]s/${1#root@}&|g")"
`, nodeVariable, root))
	return dir
}

func program(t *testing.T, dir, name, script string) {
	t.Helper()
	testkit.Check(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700))
}
