package kubeapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/sealproof/sealproof/etcdaudit/rbac"
)

// mostPages bounds one list: 500 objects a page.
const mostPages = 2_000

// RBAC lists all roles and bindings, page by page. What is changed meanwhile can be missed.
// Where the API server no longer has the revision of a list (410), all of them are listed once
// more from the start: its first pages are of another revision then.
func (c *Client) RBAC(ctx context.Context) (*rbac.Objects, error) {
	objects, err := c.once(ctx)
	if errors.Is(err, errGone) {
		objects, err = c.once(ctx)
	}
	return objects, err
}

func (c *Client) once(ctx context.Context) (*rbac.Objects, error) {
	objects := &rbac.Objects{}
	for _, resource := range rbac.Resources() {
		if err := c.list(ctx, resource, objects); err != nil {
			return nil, fmt.Errorf("list %s: %w", resource, err)
		}
	}
	return objects, nil
}

func (c *Client) list(ctx context.Context, resource string, into *rbac.Objects) error {
	query := url.Values{"limit": {"500"}}
	for range mostPages {
		answer, err := c.Get(ctx, "/apis/rbac.authorization.k8s.io/v1/"+resource, query, "list "+resource+" of rbac.authorization.k8s.io")
		if err != nil {
			return err
		}
		next, err := into.AddList(resource, answer)
		if err != nil || next == "" {
			return err
		}
		query.Set("continue", next)
	}
	return fmt.Errorf("more than %d pages", mostPages)
}
