package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/kmsplugin/doctor"
	"github.com/sealproof/sealproof/kmsplugin/process"
	"github.com/sealproof/sealproof/kmsplugin/socket"
	"github.com/sealproof/sealproof/vaultbackend"
)

// gatherNode looks at everything but Vault.
func gatherNode(ctx context.Context, c config, uses []vaultbackend.Use, opts doctorOptions) doctor.Facts {
	f := doctor.Facts{
		Config: doctor.Config{
			Envelope: c.Envelope, OnRefusal: c.OnRefusal, ReportAfter: c.Outage.ReportAfter, RequestTimeout: c.RequestTimeout,
			LockMemory: c.LocalKEK.LockMemory, Lease: c.LocalKEK.Lease,
		},
	}
	var peer *unix.Ucred
	f.Socket, peer = gatherSocket(ctx, c.Socket.Path)
	switch {
	case !f.Socket.Listens:
	case f.Socket.ConnectErr != "":
		f.Node.PluginErr = "it accepts no connection: " + f.Socket.ConnectErr
	case peer == nil || peer.Pid == 0:
		f.Node.PluginErr = "the process that listens is not to be seen from here (another PID namespace)"
	case peer.Pid == 1:
		f.Node.PluginErr, f.Node.Hidden = "systemd holds the socket, which hides the plugin's process", true
	default:
		f.Node.Plugin, f.Node.Rights, f.Node.PluginErr = gatherProcess(peer)
	}
	f.Node.UID = os.Geteuid()
	if f.Socket.Listens {
		var own *process.Rights
		if f.Socket.Answer, own = gatherAnswer(ctx, c.Socket.Path); own != nil {
			f.Node.Rights = own
		}
	}
	f.Node.Swap, f.Node.SwapErr = gatherSwap("/proc/swaps")
	f.Node.APIServers, f.Node.APIServersErr = gatherAPIServers("/proc", c.Socket.Path)
	if len(c.Socket.AllowUIDs) > 0 {
		f.Config.AllowUIDs, f.Config.AllowUIDsErr = gatherUIDs(c.Socket.AllowUIDs)
	}
	var files []doctor.File
	if opts.encryptionConfig != "" {
		f.Encryption = gatherEncryption(opts.encryptionConfig)
		files = append(files, doctor.File{Key: "--encryption-provider-config", Name: opts.encryptionConfig, Secret: f.Encryption.HoldsKeys(), Foreign: true})
	}
	f.Files = gatherFiles(append(files, filesOf(c, uses, opts)...))
	return f
}

func gatherSocket(ctx context.Context, path string) (doctor.Socket, *unix.Ucred) {
	s := doctor.Socket{Path: path, Dir: gatherPath(filepath.Dir(path), os.Stat), File: gatherPath(path, os.Lstat)}
	if info, err := os.Lstat(path); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			s.Group, s.Members = gatherGroup("/etc/group", int(st.Gid))
		}
	}
	if s.File.Mode.Type() != fs.ModeSocket {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		s.ConnectErr, s.Stale = err.Error(), errors.Is(err, syscall.ECONNREFUSED)
		s.Listens = errors.Is(err, syscall.EAGAIN) // connect(2): its queue is full
		return s, nil
	}
	defer func() { _ = conn.Close() }()
	s.Listens = true
	return s, peerOf(conn)
}

// peerOf is the process that called listen: systemd, where that holds the socket.
// It is nil where the kernel does not say.
func peerOf(conn net.Conn) *unix.Ucred {
	raw, err := conn.(*net.UnixConn).SyscallConn() //nolint:errcheck // a dial to "unix" makes no other kind
	if err != nil {
		return nil
	}
	var peer *unix.Ucred
	if err := raw.Control(func(fd uintptr) { peer, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil
	}
	return peer
}

// gatherAnswer asks the plugin, also whose rights it has: systemd may hold its
// socket, and a container hide its process.
func gatherAnswer(ctx context.Context, path string) (doctor.Answer, *process.Rights) {
	plugin, conn, err := dialPlugin(ctx, path)
	if err != nil {
		return doctor.Answer{Err: err.Error()}, nil
	}
	defer func() { _ = conn.Close() }()
	info, err := getInfo(ctx, plugin, path)
	if err != nil {
		return doctor.Answer{Err: err.Error()}, nil
	}
	answer := doctor.Answer{Serving: info.GetServing().GetOk(), Reason: info.GetServing().GetReason(),
		OnRefusal: info.GetOnRefusal(), ServesRefused: servesRefused(info)}
	told := info.GetProcess()
	if told == nil {
		return answer, nil
	}
	rights := &process.Rights{UID: int(told.GetUid()), Unbound: told.GetUnbound()}
	for _, gid := range told.GetGids() {
		rights.GIDs = append(rights.GIDs, int(gid))
	}
	return answer, rights
}

// gatherProcess reads what /proc shows of the plugin.
func gatherProcess(peer *unix.Ucred) (*doctor.Process, *process.Rights, string) {
	p := &doctor.Process{PID: int(peer.Pid)}
	dir := fmt.Sprintf("/proc/%d/", peer.Pid)
	limits, err := os.ReadFile(dir + "limits") //nolint:gosec // in /proc, of the process that listens
	if err != nil {
		return nil, nil, err.Error()
	}
	status, err := os.ReadFile(dir + "status") //nolint:gosec // likewise
	if err != nil {
		return nil, nil, err.Error()
	}
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			if columns := strings.Fields(rest); len(columns) > 0 {
				p.CoreSoft = columns[0]
			}
		}
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmLck:"); ok {
			p.LockedKB, _ = strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
		}
	}
	rights := process.ParseRights(string(status))
	return p, &rights, ""
}

// gatherUIDs resolves the users of socket.allow-uids.
func gatherUIDs(users []string) (uids []int, problem string) {
	for _, name := range users {
		uid, err := socket.LookupUID(name)
		if err != nil {
			return nil, err.Error()
		}
		uids = append(uids, int(uid))
	}
	return uids, ""
}

// gatherSwap names the active swap devices (proc(5), /proc/swaps: a header, then
// a line for each).
func gatherSwap(path string) (devices []string, problem string) {
	text, err := os.ReadFile(path) //nolint:gosec // /proc/swaps, another in tests
	if err != nil {
		return nil, err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range lines[1:] {
		if columns := strings.Fields(line); len(columns) > 0 {
			devices = append(devices, columns[0])
		}
	}
	return devices, ""
}

func gatherPath(path string, stat func(string) (fs.FileInfo, error)) doctor.Path {
	info, err := stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return doctor.Path{}
	}
	if err != nil {
		return doctor.Path{Err: err.Error()}
	}
	p := doctor.Path{Exists: true, Mode: info.Mode(), UID: -1, GID: -1}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		p.UID, p.GID = int(st.Uid), int(st.Gid)
		p.Owner = "uid " + strconv.Itoa(p.UID)
		if u, err := user.LookupId(strconv.Itoa(p.UID)); err == nil {
			p.Owner = u.Username
		}
	}
	return p
}

// gatherGroup returns the name of a group and who is listed in it. Those for
// whom it is the primary group are not.
func gatherGroup(file string, gid int) (name string, members []string) {
	name = strconv.Itoa(gid)
	f, err := os.Open(file) //nolint:gosec // /etc/group, another in tests
	if err != nil {
		return name, nil
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":") // name:password:gid:member,member
		if len(fields) == 4 && fields[2] == strconv.Itoa(gid) {
			name = fields[0]
			for member := range strings.SplitSeq(fields[3], ",") {
				if member != "" {
					members = append(members, member)
				}
			}
		}
	}
	return name, members
}

// filesOf lists every file that the configuration names.
func filesOf(c config, uses []vaultbackend.Use, opts doctorOptions) []doctor.File {
	files := []doctor.File{{Key: "--config", Name: opts.configFile}}
	for _, use := range uses {
		for _, f := range use.Config.Files() {
			f.Key = use.Section + "." + f.Key
			files = append(files, f)
		}
	}
	return append(files,
		doctor.File{Key: "listen-tls.cert-file", Name: c.ListenTLS.CertFile},
		doctor.File{Key: "listen-tls.key-file", Name: c.ListenTLS.KeyFile, Secret: true},
		doctor.File{Key: "listen-tls.client-ca-file", Name: c.ListenTLS.ClientCAFile},
	)
}

// gatherFiles looks at each file once, and leaves out keys that name none.
func gatherFiles(named []doctor.File) (files []doctor.File) {
	seen := map[string]bool{"": true}
	for _, f := range named {
		if !seen[f.Name] {
			seen[f.Name] = true
			files = append(files, gatherFile(f))
		}
	}
	return files
}

// longestFile bounds what is read of a file in search of certificates.
const longestFile = 1 << 20

func gatherFile(f doctor.File) doctor.File {
	f.Path = gatherPath(f.Name, os.Stat)
	f.Parent = gatherPath(filepath.Dir(f.Name), os.Stat)
	f.Way = gatherWay(f.Name)
	if !f.Path.Exists || !f.Path.Mode.IsRegular() {
		return f
	}
	file, err := os.Open(f.Name)
	if err != nil {
		f.OpenErr = err.Error()
		return f
	}
	defer func() { _ = file.Close() }()
	if f.Secret {
		// Of a secret it is enough to know that it can be read.
		n, err := file.Read(make([]byte, 1))
		f.Empty = n == 0 && errors.Is(err, io.EOF)
		return f
	}
	text, err := io.ReadAll(io.LimitReader(file, longestFile))
	if err != nil {
		f.OpenErr = err.Error()
	}
	f.Empty = len(text) == 0
	f.Certificates = certificatesIn(text)
	return f
}

// gatherWay looks at every directory that leads to a file, whatever links it is
// named through.
func gatherWay(name string) (way []doctor.Path) {
	file, err := filepath.EvalSymlinks(name)
	if err == nil {
		file, err = filepath.Abs(file)
	}
	if err != nil {
		return nil // what is wrong with it, looking at the file itself says
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		way = append(way, gatherPath(dir, os.Stat))
		if dir == filepath.Dir(dir) {
			slices.Reverse(way)
			return way
		}
	}
}

// certificatesIn returns the certificates in PEM text. What does not parse is
// left out: TLS does not use it either.
func certificatesIn(text []byte) (certificates []doctor.Certificate) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			certificates = append(certificates, doctor.Certificate{Subject: c.Subject.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter})
		}
	}
	return certificates
}

func gatherEncryption(file string) *doctor.Encryption {
	e := &doctor.Encryption{File: file}
	parsed, err := encryptionconfig.Load(file)
	if err != nil {
		e.Err = err.Error()
		return e
	}
	rule, _ := parsed.For(apiresource.Of("secrets"))
	for _, p := range rule.Providers {
		e.Secrets = append(e.Secrets, doctor.Provider{Kind: p.Kind, Name: p.Name(), Endpoint: p.Endpoint, Timeout: p.Timeout})
	}
	return e
}
