package kmssocket

import (
	"context"

	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

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
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	info, err := pluginv1.NewPluginServiceClient(p.conn).GetInfo(ctx, &pluginv1.GetInfoRequest{})
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
