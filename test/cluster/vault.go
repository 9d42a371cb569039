package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/hashicorp/vault/api"
	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/test/components"
)

// TransitMount is where Vault's Transit engine is mounted.
const TransitMount = "transit"

// Vault is one Vault cluster on Raft storage, initialised, unsealed, with
// Transit and AppRole enabled. Its root token and unseal key exist in memory
// only.
type Vault struct {
	c         *Cluster
	dir       string
	authority *Authority
	nodes     []*VaultNode
	unsealKey string
	rootToken string
}

// VaultNode is one node. Restart brings it back with its data, unseals it, and
// waits until it has found its place in the cluster, for which that needs a
// quorum.
type VaultNode struct {
	*Process
	// Address is the https URL of its API.
	Address string
	// DataDir is its Raft storage.
	DataDir string

	vault  *Vault
	client *api.Client
}

// StartVault starts a new Vault cluster of the given size, normally 1 or 3,
// and waits until every node is unsealed and has a vote.
func (c *Cluster) StartVault(ctx context.Context, nodes int) (*Vault, error) {
	return retryStart(func() (*Vault, error) { return c.startVault(ctx, nodes) })
}

func (c *Cluster) startVault(ctx context.Context, size int) (*Vault, error) {
	name := c.claimName("vault")
	dir, err := c.subdir(name)
	if err != nil {
		return nil, err
	}
	authority, err := NewAuthority(filepath.Join(dir, "pki"), name+"-ca")
	if err != nil {
		return nil, err
	}
	v := &Vault{c: c, dir: dir, authority: authority}
	for i := range size {
		node, err := v.describeNode(fmt.Sprintf("%s-%d", name, i))
		if err != nil {
			return nil, err
		}
		v.nodes = append(v.nodes, node)
	}
	if err := v.bringUp(ctx); err != nil {
		for _, n := range v.nodes {
			err = errors.Join(err, discard(n.Process))
		}
		return nil, err
	}
	return v, nil
}

func (v *Vault) describeNode(name string) (*VaultNode, error) {
	address, err := v.c.nextPort()
	if err != nil {
		return nil, err
	}
	clusterAddress, err := v.c.nextPort()
	if err != nil {
		return nil, err
	}
	files, err := v.authority.Server(name)
	if err != nil {
		return nil, err
	}
	n := &VaultNode{vault: v, Address: "https://" + address, DataDir: filepath.Join(v.dir, name)}
	if err := os.Mkdir(n.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the storage of %s: %w", name, err)
	}
	n.Process = v.c.newProcess(name, v.dir, components.Vault,
		"--listen", address, "--cluster-listen", clusterAddress,
		"--data", n.DataDir, "--node-id", name,
		"--tls-cert", files.Cert, "--tls-key", files.Key,
		"--log-level", "info")
	n.ready = n.unsealed
	n.client, err = v.newClient(n.Address)
	return n, err
}

// newClient makes a client that knows nothing of this process's environment: a
// VAULT_ADDR or VAULT_TOKEN of the caller must not lead it elsewhere. It does
// not repeat requests, so that an outage shows as one.
func (v *Vault) newClient(address string) (*api.Client, error) {
	pool, err := certPool(v.CAFile())
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 16,
	}
	v.c.onClose(func() error { transport.CloseIdleConnections(); return nil })
	client, err := api.NewClient(&api.Config{
		Address:    address,
		HttpClient: &http.Client{Transport: transport},
		Timeout:    startLimit,
	})
	if err != nil {
		return nil, fmt.Errorf("make a client of Vault: %w", err)
	}
	client.SetMaxRetries(0)
	client.ClearNamespace()
	client.SetToken(v.rootToken)
	return client, nil
}

// bringUp takes the nodes from nothing to a cluster that serves.
func (v *Vault) bringUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	first := v.nodes[0]
	for _, n := range v.nodes {
		if err := v.c.start(n.Process); err != nil {
			return err
		}
	}
	if err := first.WaitAnswer(ctx); err != nil {
		return err
	}
	if err := v.initialise(ctx, first); err != nil {
		return err
	}
	if err := first.WaitReady(ctx); err != nil {
		return err
	}
	if err := v.join(ctx, first); err != nil {
		return err
	}
	if err := v.MountTransit(ctx, TransitMount); err != nil {
		return err
	}
	return v.EnableAppRole(ctx)
}

func (v *Vault) initialise(ctx context.Context, first *VaultNode) error {
	init, err := first.client.Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		return fmt.Errorf("initialise %s: %w", first.name, err)
	}
	if len(init.KeysB64) != 1 || init.RootToken == "" {
		return fmt.Errorf("initialise %s: it returned %d unseal keys instead of one and a root token", first.name, len(init.KeysB64))
	}
	v.unsealKey, v.rootToken = init.KeysB64[0], init.RootToken
	for _, n := range v.nodes {
		n.client.SetToken(v.rootToken)
	}
	return nil
}

// join makes the other nodes members of the first one's cluster.
func (v *Vault) join(ctx context.Context, first *VaultNode) error {
	if len(v.nodes) == 1 {
		return nil
	}
	// A node that joins has no vote until it was stable for ten seconds by
	// default; a leader that is killed before that takes the cluster with it.
	_, err := first.client.Logical().WriteWithContext(ctx, "sys/storage/raft/autopilot/configuration",
		map[string]any{"server_stabilization_time": "100ms"})
	if err != nil {
		return fmt.Errorf("configure Vault's autopilot: %w", err)
	}
	ca, err := os.ReadFile(v.CAFile())
	if err != nil {
		return fmt.Errorf("read Vault's authority: %w", err)
	}
	for _, n := range v.nodes[1:] {
		if err := n.WaitAnswer(ctx); err != nil {
			return err
		}
		_, err := n.client.Sys().RaftJoinWithContext(ctx, &api.RaftJoinRequest{
			LeaderAPIAddr: first.Address, LeaderCACert: string(ca),
		})
		if err != nil {
			return fmt.Errorf("join %s to %s: %w", n.name, first.name, err)
		}
		if err := n.WaitReady(ctx); err != nil {
			return err
		}
	}
	return first.wait(ctx, "give every node a vote", func(ctx context.Context) error { return v.allVote(ctx, first) })
}

func (v *Vault) allVote(ctx context.Context, leader *VaultNode) error {
	secret, err := leader.client.Logical().ReadWithContext(ctx, "sys/storage/raft/configuration")
	if err != nil {
		return err
	}
	voters := 0
	if config, ok := secret.Data["config"].(map[string]any); ok {
		servers, _ := config["servers"].([]any)
		for _, s := range servers {
			if server, ok := s.(map[string]any); ok && server["voter"] == true {
				voters++
			}
		}
	}
	if voters != len(v.nodes) {
		return fmt.Errorf("%d of %d nodes have a vote", voters, len(v.nodes))
	}
	return nil
}

// WaitAnswer waits until the node answers at all, sealed or not.
func (n *VaultNode) WaitAnswer(ctx context.Context) error {
	return n.wait(ctx, "answer", func(ctx context.Context) error {
		_, err := n.client.Sys().HealthWithContext(ctx)
		return err
	})
}

// unsealed unseals the node if need be and reports whether it serves, itself
// or through the leader. It is called again and again: right after it was
// initialised a node may not lead yet, and then seals itself once more.
func (n *VaultNode) unsealed(ctx context.Context) error {
	health, err := n.client.Sys().HealthWithContext(ctx)
	if err != nil {
		return err
	}
	if health.Sealed {
		if _, err := n.client.Sys().UnsealWithContext(ctx, n.vault.unsealKey); err != nil {
			return fmt.Errorf("unseal: %w", err)
		}
		return errors.New("just unsealed")
	}
	leader, err := n.client.Sys().LeaderWithContext(ctx)
	if err != nil {
		return err
	}
	if !leader.IsSelf && leader.LeaderAddress == "" {
		return errors.New("no leader yet")
	}
	return nil
}

// WaitUnsealed unseals the node and waits until it is, whether it finds a leader or
// not: of a cluster without a quorum no node does.
func (n *VaultNode) WaitUnsealed(ctx context.Context) error {
	return n.wait(ctx, "be unsealed", func(ctx context.Context) error {
		health, err := n.client.Sys().HealthWithContext(ctx)
		if err == nil && health.Sealed {
			_, err = n.client.Sys().UnsealWithContext(ctx, n.vault.unsealKey)
			err = errors.Join(err, errors.New("it was sealed"))
		}
		return err
	})
}

// Client is a client of this node that acts as root.
func (n *VaultNode) Client() *api.Client { return n.client }

// Leads reports whether this node is the leader, in its own eyes.
func (n *VaultNode) Leads(ctx context.Context) (bool, error) {
	answer, err := n.client.Sys().LeaderWithContext(ctx)
	if err != nil {
		return false, fmt.Errorf("ask %s who leads: %w", n.name, err)
	}
	return answer.IsSelf, nil
}

// Seal seals this node, which must be the leader.
func (n *VaultNode) Seal(ctx context.Context) error {
	if err := n.client.Sys().SealWithContext(ctx); err != nil {
		return fmt.Errorf("seal %s: %w", n.name, err)
	}
	return nil
}

// Client is a client of the first node that runs, acting as root. Nodes pass
// requests on to their leader.
func (v *Vault) Client() *api.Client {
	for _, n := range v.nodes {
		if n.Running() {
			return n.client
		}
	}
	return v.nodes[0].client
}

// RootToken is for tests that configure a client of their own, and for those
// that check that it appears nowhere.
func (v *Vault) RootToken() string { return v.rootToken }

// CAFile is the certificate of the authority that signed every node's.
func (v *Vault) CAFile() string { return v.authority.CAFile() }

// Authority signs Vault's certificates.
func (v *Vault) Authority() *Authority { return v.authority }

// Address is the https URL of one node, counted from 0.
func (v *Vault) Address(i int) string { return v.nodes[i].Address }

// Addresses are the https URLs of all nodes, running or not.
func (v *Vault) Addresses() []string {
	var addresses []string
	for _, n := range v.nodes {
		addresses = append(addresses, n.Address)
	}
	return addresses
}

// Nodes is the number of nodes.
func (v *Vault) Nodes() int { return len(v.nodes) }

// Node is one node, counted from 0.
func (v *Vault) Node(i int) *VaultNode { return v.nodes[i] }

// Leader returns the node that leads, as the running nodes see it.
func (v *Vault) Leader(ctx context.Context) (*VaultNode, error) {
	var errs []error
	for _, n := range v.nodes {
		if !n.Running() {
			continue
		}
		leads, err := n.Leads(ctx)
		if leads {
			return n, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(append(errs, errors.New("no Vault node leads"))...)
}

// WaitLeader waits until a node leads, as after the last leader was killed.
func (v *Vault) WaitLeader(ctx context.Context) (leader *VaultNode, err error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	err = Until(ctx, func(ctx context.Context) error {
		leader, err = v.Leader(ctx)
		if err != nil {
			return err
		}
		// A new leader still loads its keys and policies for a moment.
		health, err := leader.client.Sys().HealthWithContext(ctx)
		if err == nil && (health.Sealed || health.Standby) {
			err = fmt.Errorf("%s is not active yet", leader.name)
		}
		if err == nil {
			err = v.allFollow(ctx, leader)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("wait for a Vault leader: %w", err)
	}
	return leader, nil
}

// allFollow reports whether every node that runs knows the leader. One that does
// not leads its clients to the one before.
func (v *Vault) allFollow(ctx context.Context, leader *VaultNode) error {
	for _, n := range v.nodes {
		if !n.Running() {
			continue
		}
		seen, err := n.client.Sys().LeaderWithContext(ctx)
		if err != nil {
			continue // it is sealed, and knows no leader
		}
		if seen.LeaderAddress != leader.Address {
			return fmt.Errorf("%s follows %q, not %s", n.name, seen.LeaderAddress, leader.name)
		}
	}
	return nil
}

// Stop stops every node.
func (v *Vault) Stop(ctx context.Context) error {
	var errs []error
	for _, n := range v.nodes {
		errs = append(errs, n.Stop(ctx))
	}
	return errors.Join(errs...)
}

// Kill kills every node.
func (v *Vault) Kill() error {
	var errs []error
	for _, n := range v.nodes {
		errs = append(errs, n.Kill())
	}
	return errors.Join(errs...)
}

// Seal seals the leader; of a single node that is all of Vault.
func (v *Vault) Seal(ctx context.Context) error {
	leader, err := v.Leader(ctx)
	if err != nil {
		return fmt.Errorf("seal Vault: %w", err)
	}
	return leader.Seal(ctx)
}

// Unseal unseals every node that runs and waits until one leads.
func (v *Vault) Unseal(ctx context.Context) error {
	// All at once: none finds a leader before a quorum is unsealed.
	var all errgroup.Group
	for _, n := range v.nodes {
		if n.Running() {
			all.Go(func() error { return n.WaitReady(ctx) })
		}
	}
	if err := all.Wait(); err != nil {
		return err
	}
	_, err := v.WaitLeader(ctx)
	return err
}

// Restart stops every node that runs, starts and unseals all of them, and
// waits until one leads.
func (v *Vault) Restart(ctx context.Context) error {
	if err := v.Stop(ctx); err != nil {
		return err
	}
	for _, n := range v.nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	return v.Unseal(ctx)
}
