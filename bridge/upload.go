package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	uploadTimeout = 20 * time.Second // for one file, from dialling to the answer
	dialTimeout   = 5 * time.Second
	maxURL        = 2048
	maxReply      = 16 << 10 // bytes of header, and of body, that are read
)

var (
	errURL     = errors.New("the upload address is not an http or https URL without credentials")
	errAddress = errors.New("uploads to this address are not allowed")
)

// uploader sends files where a superior wants them. The address is the peer's word, so it could
// make us ask anything of the site's own network: only the superior itself and the networks
// that the installer named are dialled, whatever a name resolves to, and nobody redirects us.
type uploader struct {
	superior string // IP address or DNS name; "" = none
	allow    []netip.Prefix
	client   *http.Client
}

func newUploader(superior string, allow []netip.Prefix) *uploader {
	if host, _, err := net.SplitHostPort(superior); err == nil {
		superior = host
	}
	u := &uploader{superior: superior, allow: allow}
	u.client = &http.Client{
		Timeout:       uploadTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil, DialContext: u.dial, DisableKeepAlives: true, TLSHandshakeTimeout: dialTimeout,
			MaxResponseHeaderBytes: maxReply,
		},
	}
	return u
}

// target checks an upload address as far as it can be without asking anybody.
func (u *uploader) target(text string) (*url.URL, error) {
	target, err := url.Parse(text)
	switch {
	case err != nil, len(text) > maxURL, target.Scheme != "http" && target.Scheme != "https",
		target.Hostname() == "", target.User != nil:
		return nil, errURL
	}
	target.Fragment = ""
	own := u.literal()
	if own == nil && u.superior != "" {
		return target, nil // whether it is the superior's address is known when that was resolved
	}
	if addr, err := netip.ParseAddr(target.Hostname()); err == nil && !u.permits(addr, own) {
		return nil, errAddress
	}
	return target, nil
}

// literal is the superior's address, when it needs no resolving.
func (u *uploader) literal() []netip.Addr {
	if addr, err := netip.ParseAddr(u.superior); err == nil {
		return []netip.Addr{addr}
	}
	return nil
}

// permits tells whether addr may be dialled; own are the superior's addresses.
func (u *uploader) permits(addr netip.Addr, own []netip.Addr) bool {
	addr = addr.Unmap()
	for _, a := range own {
		if a.Unmap() == addr {
			return true
		}
	}
	for _, p := range u.allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// dial connects, and decides at the last moment, with the address in hand: a name may resolve to
// something else each time.
func (u *uploader) dial(ctx context.Context, network, address string) (net.Conn, error) {
	own := u.literal()
	if own == nil && u.superior != "" {
		own, _ = net.DefaultResolver.LookupNetIP(ctx, "ip", u.superior)
	}
	dialer := net.Dialer{Timeout: dialTimeout, Control: func(_, resolved string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(resolved)
		if err != nil || !u.permits(to.Addr(), own) {
			return errAddress
		}
		return nil
	}}
	return dialer.DialContext(ctx, network, address)
}

// post sends a JPEG. The standard leaves the method open; POST is what platforms take.
func (u *uploader) post(ctx context.Context, target *url.URL, file string, picture []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(picture))
	if err != nil {
		return errURL
	}
	r.Header.Set("Content-Type", "image/jpeg")
	r.Header.Set("Content-Disposition", `attachment; filename="`+file+`.jpg"`)
	r.Header.Set("User-Agent", "gbgate")
	res, err := u.client.Do(r)
	if err != nil {
		if cause := (*url.Error)(nil); errors.As(err, &cause) {
			err = cause.Err // without the URL: it may hold a token
		}
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxReply))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the upload was answered with %d", res.StatusCode)
	}
	return nil
}
