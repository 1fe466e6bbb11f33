package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const maxAnswer = 64 << 20

// Get asks the running process on its socket for a path such as "/api/v1/status".
func Get(ctx context.Context, socket, path string) ([]byte, error) {
	client := &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", socket)
			},
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gbgate"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	switch {
	case errors.Is(err, os.ErrNotExist) && unix.Access(filepath.Dir(socket), unix.W_OK) == unix.EROFS: //nolint:errorlint // an errno
		return nil, fmt.Errorf("gbgate does not run, or could not make %s (read-only file system): see its log", socket)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("gbgate does not run (nobody listens on %s)", socket)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s may not be used by this user; try it as the service's user or as root", socket)
	case err != nil:
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("gbgate answered %s: %s", res.Status, body)
	}
	return body, err
}
