package kmsplugin

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/status"
)

// NewHandler serves /livez, /readyz and /metrics.
//
// /livez knows nothing of the key store: restarting plugins during an outage
// would throw away the very keys that carry the control plane through it.
func NewHandler(s *Service, registry *prometheus.Registry) http.Handler {
	registry.MustRegister(collector{s})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := s.writer().Snapshot().Writable(s.boot()); err != nil {
			http.Error(w, status.Convert(public(err)).Message(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}
