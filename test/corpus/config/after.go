package config

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// then does what a case asks for while etcd runs.
func (l *liveEtcd) then(ctx context.Context) error {
	what, rest, _ := strings.Cut(l.Etcd.Then, " ")
	switch what {
	case "":
		return nil
	case "replace":
		// "replace NAME OTHER": the file NAME gets the content of OTHER.
		for _, pair := range strings.Split(rest, ", ") {
			name, other, ok := strings.Cut(pair, " ")
			if !ok {
				return fmt.Errorf("%q: two names are needed", pair)
			}
			data, err := os.ReadFile(l.file(other))
			if err != nil {
				return err
			}
			if err := os.WriteFile(l.file(name), data, 0o600); err != nil { //nolint:gosec // a file of the case
				return err
			}
		}
		return nil
	case "remove":
		for _, name := range words(rest) {
			if err := os.Remove(l.file(name)); err != nil {
				return err
			}
		}
		return nil
	case "open":
		return os.Chmod(l.vars["socket"], 0o777) //nolint:gosec // it is meant to be open
	case "rbac":
		return l.enableRBAC(ctx)
	}
	return fmt.Errorf("%q is nothing that can be done", what)
}

// enableRBAC lets the API server's certificate read and write /registry/ only.
func (l *liveEtcd) enableRBAC(ctx context.Context) error {
	pair, err := tls.LoadX509KeyPair(l.file("root.crt"), l.file("root.key"))
	if err != nil {
		return err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{at("https", l.vars["client"])}, Logger: zap.NewNop(),
		TLS: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}}, //nolint:gosec // on loopback
	})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	const user, role = "kube-apiserver-etcd-client", "kubernetes"
	steps := []func(context.Context) error{
		func(ctx context.Context) error { _, err := client.UserAdd(ctx, "root", ""); return err },
		func(ctx context.Context) error { _, err := client.UserGrantRole(ctx, "root", "root"); return err },
		func(ctx context.Context) error { _, err := client.RoleAdd(ctx, role); return err },
		func(ctx context.Context) error {
			_, err := client.RoleGrantPermission(ctx, role, "/registry/", clientv3.GetPrefixRangeEnd("/registry/"), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func(ctx context.Context) error {
			_, err := client.UserAddWithOptions(ctx, user, "", &clientv3.UserAddOptions{NoPassword: true})
			return err
		},
		func(ctx context.Context) error { _, err := client.UserGrantRole(ctx, user, role); return err },
		func(ctx context.Context) error { _, err := client.AuthEnable(ctx); return err },
	}
	for _, step := range steps {
		err := l.process.Until(ctx, "take a user or a role", func(ctx context.Context) error {
			// A busy etcd may time out, and have done it all the same.
			err := step(ctx)
			if errors.Is(err, rpctypes.ErrUserAlreadyExist) || errors.Is(err, rpctypes.ErrRoleAlreadyExist) || errors.Is(err, rpctypes.ErrUserEmpty) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	// A certificate of root on the node is full access, whatever RBAC says.
	return errors.Join(os.Remove(l.file("root.crt")), os.Remove(l.file("root.key")))
}
