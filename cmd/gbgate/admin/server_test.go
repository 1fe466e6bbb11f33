package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestServer(t *testing.T) {
	defer goleak.VerifyNone(t)
	socket := filepath.Join(t.TempDir(), "state", "gbgate.sock")
	healthy := error(nil)
	cfg := Config{
		Listen: "127.0.0.1:0", Socket: socket,
		Views:   map[string]func() any{"status": func() any { return map[string]int{"answer": 42} }},
		Healthy: func() (any, error) { return map[string]string{"status": "ok"}, healthy },
		Metrics: func(w io.Writer) { _, _ = io.WriteString(w, "up 1\n") },
		Log:     slog.New(slog.DiscardHandler),
	}
	s, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()

	if _, err := Listen(Config{Socket: socket}); err == nil || !strings.Contains(err.Error(), "another gbgate") {
		t.Errorf("a second process got %v", err)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v %v, want mode 0600", info, err)
	}
	if body, err := Get(ctx, socket, "/api/v1/status"); err != nil || !strings.Contains(string(body), `"answer": 42`) {
		t.Errorf("status: %s %v", body, err)
	}
	if _, err := Get(ctx, socket, "/api/v1/nothing"); err == nil || !strings.Contains(err.Error(), "there is no nothing") {
		t.Errorf("unknown view: %v", err)
	}
	for _, c := range []struct {
		path   string
		health error
		status int
		want   string
	}{
		{"/healthz", nil, 200, `"status": "ok"`},
		{"/healthz", errors.New("no cameras"), 503, "no cameras"},
		{"/metrics", nil, 200, "up 1"},
		{"/elsewhere", nil, 404, ""},
	} {
		healthy = c.health
		res, err := http.Get("http://" + s.Addr().String() + c.path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.path, res.StatusCode, body, c.status, c.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := Get(t.Context(), socket, "/healthz"); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("after the end: %v", err)
	}
}

func TestListenTellsATakenPort(t *testing.T) {
	first, err := Listen(Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := Listen(Config{Listen: first.Addr().String()}); err == nil ||
		!strings.Contains(err.Error(), "admin.listen") {
		t.Errorf("got %v, want the key named", err)
	}
}
