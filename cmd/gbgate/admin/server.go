// Package admin is the one HTTP door of the process: health, metrics and the JSON API, on a
// TCP address and on a socket in the state folder for the commands of the same box.
//
// It knows nothing of what it shows: everything comes from functions it is given.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config says where to listen and what to show.
type Config struct {
	Listen string // TCP address; "" = none
	Socket string // Unix socket, mode 0600; "" = none
	// Views are the JSON documents below /api/v1/, by name.
	Views map[string]func() any
	// Healthy is shown by /healthz; an error makes it 503.
	Healthy func() (any, error)
	// Metrics writes the Prometheus text of /metrics.
	Metrics func(io.Writer)
	Log     *slog.Logger
}

// Server is the open door; Run serves.
type Server struct {
	cfg       Config
	listeners []net.Listener
}

const (
	readTimeout  = 10 * time.Second
	closeTimeout = time.Second
)

// ErrListen is what Listen fails with where Config.Listen is the reason.
var ErrListen = errors.New("admin.listen")

// Worn tells whether err is that of a disk that is full or broken, or was made read-only for that, and not somebody's
// mistake.
func Worn(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// Listen opens the sockets, so that a port that is taken is told before anything else starts.
func Listen(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg}
	if cfg.Listen != "" {
		l, err := net.Listen("tcp", cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrListen, err)
		}
		s.listeners = append(s.listeners, l)
	}
	if cfg.Socket != "" {
		l, err := listenSocket(cfg.Socket)
		switch {
		case Worn(err): // pictures need no disk
			cfg.Log.Error("gateway.state_dir can't be written to: what platforms set is lost at the next start, "+
				"and `gbgate status` can't ask this process", "reason", err.Error())
		case err != nil:
			s.Close()
			return nil, err
		default:
			s.listeners = append(s.listeners, l)
		}
	}
	return s, nil
}

// listenSocket opens a Unix socket that only our user may use. One that a killed process left
// behind is replaced; one that is answered is not.
func listenSocket(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s is in use: another gbgate runs with this state folder", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// Addr is the TCP address; nil when there is none.
func (s *Server) Addr() net.Addr {
	if s.cfg.Listen == "" || len(s.listeners) == 0 {
		return nil
	}
	return s.listeners[0].Addr()
}

// Close closes the sockets of a server that was never run.
func (s *Server) Close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	srv := &http.Server{
		Handler: s.handler(), ReadTimeout: readTimeout, WriteTimeout: readTimeout, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		group.Go(func() error {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("admin: %w", err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			return srv.Close()
		}
		return nil
	})
	return group.Wait()
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		body, err := s.cfg.Healthy()
		if err != nil {
			writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "bad", "reason": err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, body)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		s.cfg.Metrics(w)
	})
	mux.HandleFunc("GET /api/v1/{view}", func(w http.ResponseWriter, r *http.Request) {
		view, ok := s.cfg.Views[r.PathValue("view")]
		if !ok {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": "there is no " + r.PathValue("view")})
			return
		}
		writeJSON(w, http.StatusOK, view())
	})
	return mux
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(body) // the peer has gone: nobody is left to tell
}
