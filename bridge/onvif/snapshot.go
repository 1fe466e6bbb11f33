package onvif

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
)

// maxPicture bounds a still picture; 8 Mpixel cameras send 2 to 4 MB.
const maxPicture = 8 << 20

// Snapshot fetches a profile's still picture, a JPEG.
func (c *Client) Snapshot(ctx context.Context, p Profile) ([]byte, error) {
	address, err := c.SnapshotURI(ctx, p)
	if err != nil {
		return nil, err
	}
	if !c.isProven() && c.cfg.Username != "" {
		// The digest transport sends the password by itself: not before it is known to be right.
		if _, err := c.askInfo(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.resting(); err != nil {
		return nil, err
	}
	data, err := c.fetch(ctx, address, false)
	if kindOf(err) == NotAuthorized {
		// Basic, where the device asks for nothing better.
		data, err = c.fetch(ctx, address, true)
	}
	return data, err
}

// fetch gets a picture by digest, or by Basic if the device offers nothing else.
func (c *Client) fetch(ctx context.Context, address string, basic bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	fail := func(kind Kind, status int, text string, err error) ([]byte, error) {
		return nil, &Error{Kind: kind, Op: "snapshot", Status: status, Text: text, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fail(NotONVIF, 0, "camera names an address that cannot be read", unwrapURL(err))
	}
	by := c.digest
	if c.cfg.Username == "" || basic {
		by = c.plain
	}
	if basic {
		req.SetBasicAuth(c.cfg.Username, c.cfg.Password)
	}
	res, err := by.Do(req)
	if err != nil {
		return nil, dialError(cause(ctx, err), req.URL.Host, c.cfg.Timeout)
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(res.Body, maxPicture+1))
	switch {
	case err != nil:
		return nil, dialError(cause(ctx, err), req.URL.Host, c.cfg.Timeout)
	case res.StatusCode == http.StatusUnauthorized && !basic && c.cfg.Username != "" && basicOnly(res.Header):
		return fail(NotAuthorized, res.StatusCode, "camera wants Basic", nil)
	case res.StatusCode == http.StatusUnauthorized:
		return fail(Fault, res.StatusCode, "password refused for the picture", nil)
	case res.StatusCode != http.StatusOK:
		return fail(Fault, res.StatusCode, "camera gives no picture: "+res.Status, nil)
	case len(data) > maxPicture:
		return fail(NotONVIF, res.StatusCode, "picture exceeds 8 MiB", nil)
	case !bytes.HasPrefix(data, []byte{0xff, 0xd8}):
		return fail(NotONVIF, res.StatusCode, "what the camera sent is no JPEG", nil)
	}
	return data, nil
}

// basicOnly tells whether an answer asks for Basic and for no digest.
func basicOnly(h http.Header) bool {
	if hasChallenge(h) {
		return false
	}
	for _, v := range h.Values("WWW-Authenticate") {
		if strings.HasPrefix(strings.ToLower(v), "basic") {
			return true
		}
	}
	return false
}
