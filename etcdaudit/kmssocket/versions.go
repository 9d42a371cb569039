package kmssocket

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

// maxInfo bounds what is read of the versions of all keys, in bytes.
const maxInfo = 1 << 20

// Version is a version of a key that a plugin has.
type Version struct {
	KeyID string
	// Key is the key in Vault, with its mount: "transit/kubernetes".
	Key    string
	Number uint32
}

// Versions asks this project's plugin for the versions of its keys; of another plugin, which does
// not tell, there are none.
func (p *Plugin) Versions(ctx context.Context) (all []Version) {
	info, err := p.info(ctx)
	if err != nil {
		return nil
	}
	for _, key := range info.GetKeys() {
		for _, v := range key.GetVersions() {
			if v.GetNumber() > 0 {
				all = append(all, Version{KeyID: v.GetKeyId(), Key: key.GetMount() + "/" + key.GetName(), Number: uint32(v.GetNumber())}) //nolint:gosec // above zero
			}
		}
	}
	return all
}

func (p *Plugin) info(ctx context.Context) (*pluginv1.GetInfoResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	return pluginv1.NewPluginServiceClient(p.conn).GetInfo(ctx, &pluginv1.GetInfoRequest{}, grpc.MaxCallRecvMsgSize(maxInfo))
}

// KeyIDs asks the plugin at a socket for the key_ids of its keys: by its Status, and this project's
// plugin by its info API. Each of the two requests may take as long as timeout. What keeps the plugin
// from telling is in the Problem of the result.
func KeyIDs(ctx context.Context, path string, timeout time.Duration) keyjoin.Plugin {
	told := keyjoin.Plugin{Name: path}
	p, err := open(ctx, path, timeout)
	if err != nil {
		told.Problem = err.Error()
		return told
	}
	defer func() { _ = p.Close() }()
	if health := p.state.GetHealthz(); health == "ok" {
		told.Current = p.state.GetKeyId()
	} else {
		told.Problem = "it is not healthy: " + quote(health)
	}
	info, err := p.info(ctx)
	switch status.Code(err) {
	case codes.OK:
	case codes.Unimplemented:
		return told // another project's plugin
	default:
		told.Problem = p.explain(err).Error()
		return told
	}
	told.Lists = len(info.GetKeys()) > 0
	for _, key := range info.GetKeys() {
		told.Lists = told.Lists && len(key.GetVersions()) > 0 // one without any has not reached its key store
		for _, v := range key.GetVersions() {
			if v.GetKeyId() != "" {
				told.Versions = append(told.Versions, v.GetKeyId())
			}
		}
	}
	return told
}
