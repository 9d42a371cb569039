package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/kmsplugin/doctor"
	"github.com/sealproof/sealproof/kmsplugin/socket"
	"github.com/sealproof/sealproof/vaultbackend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// gatherNode gathers all facts except Vault's.
func gatherNode(ctx context.Context, c config, uses []vaultbackend.Use, opts doctorOptions) doctor.Facts {
	f := doctor.Facts{
		Config: doctor.Config{
			Envelope: c.Envelope, OnRefusal: c.OnRefusal, ReportAfter: c.Outage.ReportAfter, RequestTimeout: c.RequestTimeout,
			LockMemory: c.LocalKEK.LockMemory, Lease: c.LocalKEK.Lease,
		},
		Socket: gatherSocket(ctx, c.Socket.Path),
	}
	f.Node.UID = os.Geteuid()
	switch s := f.Socket; {
	case !s.Listens:
	case s.ConnectErr != "":
		f.Node.PluginErr = "the socket accepts no connection: " + s.ConnectErr
	case s.ListenerPID == 0:
		f.Node.PluginErr = "the process that listens is not visible from here (it is in another PID namespace)"
	case s.ListenerPID == 1:
		f.Node.PluginErr, f.Node.Hidden = "systemd holds the socket, which hides the plugin's process", true
	default:
		p, err := hostfacts.ReadProcess(hostfacts.Proc, s.ListenerPID)
		if err != nil {
			f.Node.PluginErr = err.Error()
			break
		}
		f.Node.Plugin, f.Node.Rights = &p, &p.Rights
	}
	if f.Socket.Listens {
		var own *hostfacts.Rights
		if f.Socket.Answer, own = gatherAnswer(ctx, c.Socket.Path); own != nil {
			f.Node.Rights = own
		}
	}
	swap, err := hostfacts.Swaps(hostfacts.Proc)
	f.Node.Swap, f.Node.SwapErr = swap, textOf(err)
	f.Node.APIServers, f.Node.APIServersErr = gatherAPIServers(hostfacts.Proc, c.Socket.Path)
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

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func gatherSocket(ctx context.Context, path string) doctor.Socket {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return doctor.Socket{Socket: hostfacts.ReadSocket(ctx, path)}
}

// gatherAPIServers finds every kube-apiserver under proc, and what each of them
// sees at the socket's path. It skips one that ends meanwhile.
func gatherAPIServers(proc, socket string) (found []doctor.APIServer, problem string) {
	all, err := hostfacts.ProcessesNamed(proc, "kube-apiserver")
	for _, p := range all {
		seen := hostfacts.SeenFrom(p.Root, socket)
		if seen.Err != "" && !hostfacts.Stat(filepath.Dir(p.Root)).Exists {
			continue
		}
		found = append(found, doctor.APIServer{Process: p, Finds: seen})
	}
	return found, textOf(err)
}

// gatherAnswer asks the plugin for its state and its rights. Its process may not be
// visible: systemd may hold its socket, and it may run in a container.
func gatherAnswer(ctx context.Context, path string) (doctor.Answer, *hostfacts.Rights) {
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
	process := info.GetProcess()
	if process == nil {
		return answer, nil
	}
	rights := &hostfacts.Rights{UID: int(process.GetUid()), Unbound: process.GetUnbound()}
	for _, gid := range process.GetGids() {
		rights.GIDs = append(rights.GIDs, int(gid))
	}
	return answer, rights
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

// filesOf lists every file that the configuration names.
func filesOf(c config, uses []vaultbackend.Use, opts doctorOptions) []doctor.File {
	files := []doctor.File{{Key: "--config", Name: opts.configFile}}
	for _, use := range uses {
		for _, f := range use.Config.Files() {
			files = append(files, doctor.File{Key: use.Section + "." + f.Key, Name: f.Name, Secret: f.Secret, Later: f.Later})
		}
	}
	return append(files,
		doctor.File{Key: "listen-tls.cert-file", Name: c.ListenTLS.CertFile},
		doctor.File{Key: "listen-tls.key-file", Name: c.ListenTLS.KeyFile, Secret: true},
		doctor.File{Key: "listen-tls.client-ca-file", Name: c.ListenTLS.ClientCAFile},
	)
}

// gatherFiles inspects each file once, and skips keys without a file.
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

func gatherFile(f doctor.File) doctor.File {
	f.Path, f.Parent, f.Way = hostfacts.Stat(f.Name), hostfacts.Stat(filepath.Dir(f.Name)), hostfacts.Way(f.Name)
	if f.Path.Exists && f.Path.Mode.IsRegular() {
		content := hostfacts.Read(f.Name, f.Secret)
		f.OpenErr, f.Empty, f.Certificates = content.OpenErr, content.Empty, client.DescribeAll(content.Certificates)
	}
	return f
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
