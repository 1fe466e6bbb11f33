package onvif

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request is one call.
type request struct {
	service service
	op      string // the name of the operation
	body    string // XML
	to      string // another address than the service's: of a subscription
	action  string // another action than the service's namespace and op
	header  string // further SOAP headers, XML
	open    bool   // needs no password
	wait    time.Duration
}

// reply is what came back for one HTTP request.
type reply struct {
	status  int
	header  http.Header
	content *element // the envelope; nil if there was none
	err     error    // why there is none
}

// call sends a request and returns the element in the body of the answer, such as GetProfilesResponse.
// The error is an *Error.
func (c *Client) call(ctx context.Context, r request) (*element, error) {
	if r.action == "" {
		r.action = r.service.action(r.op)
	}
	if c.isAbsent(r.action) {
		return nil, &Error{Kind: ActionNotSupported, Op: r.op, Text: "camera does not support it"}
	}
	at := endpoint{address: r.to}
	if r.to == "" {
		var err error
		if at, err = c.service(ctx, r.service); err != nil {
			return nil, err
		}
	}
	answer, err := c.authorized(ctx, r, at.address)
	if other := at.other; other != "" && strayed(err) {
		if answer, err = c.authorized(ctx, r, other); answered(err) {
			c.moved(r.service, other)
		}
	}
	var known *Error
	if errors.As(err, &known) {
		known.Op = r.op
		if known.Kind == ActionNotSupported {
			c.setAbsent(r.action)
		}
		return nil, known
	}
	return answer, err
}

// strayed tells whether an address that the device did not name itself may be the wrong one.
func strayed(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == Refused || e.Kind == NotONVIF && e.Status == http.StatusNotFound)
}

func (c *Client) moved(s service, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.endpoints != nil {
		c.endpoints[s] = endpoint{address: address}
	}
}

func (c *Client) isAbsent(action string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, ok := c.absent[action]
	return ok && time.Since(since) < absentFor
}

func (c *Client) setAbsent(action string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.absent[action] = time.Now()
}

// post sends one envelope and reads the answer, within the limits.
func (c *Client) post(ctx context.Context, r request, address, security string, by *http.Client) reply {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout+r.wait)
	defer cancel()
	text := envelope(security+r.header, r.body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(text))
	if err != nil {
		return reply{err: &Error{Kind: NotONVIF, Text: "camera names an address that cannot be read", Err: unwrapURL(err)}}
	}
	kind := "application/soap+xml; charset=utf-8"
	if !c.isBare() {
		kind += `; action="` + r.action + `"`
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("User-Agent", "gbgate")
	res, err := by.Do(req)
	if err != nil {
		return reply{err: dialError(cause(ctx, err), req.URL.Host, c.cfg.Timeout+r.wait)}
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	return read(ctx, res, c.cfg.Timeout+r.wait)
}

// read takes the answer apart. A fault is not an error yet: it comes with any status.
func read(ctx context.Context, res *http.Response, timeout time.Duration) reply {
	got := reply{status: res.StatusCode, header: res.Header}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		got.err = dialError(cause(ctx, err), res.Request.URL.Host, timeout)
		return got
	}
	root, err := parse(data)
	switch {
	case errors.Is(err, errLimit):
		got.err = &Error{Kind: NotONVIF, Status: got.status, Text: "camera's answer exceeds every limit", Err: err}
	case err != nil || root.name != "Envelope":
		text := "camera answers with " + http.StatusText(got.status) + ", not with SOAP"
		if got.status == http.StatusOK {
			text = "camera does not answer with SOAP"
		}
		got.err = &Error{Kind: NotONVIF, Status: got.status, Text: text, Err: err}
	default:
		got.content = root
	}
	return got
}

// cause prefers why ctx ended over what that did to the connection, and drops the URL from it.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// result turns a reply into the answer's element or an *Error.
func (r reply) result() (*element, error) {
	if r.content == nil {
		if r.status == http.StatusUnauthorized {
			return nil, &Error{Kind: NotAuthorized, Status: r.status, Text: "password refused", Err: r.err}
		}
		return nil, r.err
	}
	if fault := faultError(r.content, r.status); fault != nil {
		return nil, fault
	}
	if r.status == http.StatusUnauthorized {
		return nil, &Error{Kind: NotAuthorized, Status: r.status, Text: "password refused"}
	}
	if body := r.content.at("Body"); body != nil && len(body.children) > 0 {
		return body.children[0], nil
	}
	return &element{}, nil // SetSynchronizationPoint of some firmwares: an empty body
}

// guard bounds what is read of any answer, also those that the digest transport throws away, and
// notices refused passwords.
type guard struct {
	inner   http.RoundTripper
	refused func()
	resting func() error // why no password may be sent now
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Authorization") != "" {
		// The digest transport tries a fresh challenge by itself when the one it knows is refused.
		if err := g.resting(); err != nil {
			return nil, err
		}
	}
	res, err := g.inner.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusUnauthorized {
		// Nothing in it is worth more than its headers.
		data, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		_ = res.Body.Close()
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(data))
		if req.Header.Get("Authorization") != "" && !stale(res.Header) {
			g.refused()
		}
	}
	return res, nil
}
