package onvif

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/icholy/digest"
)

// Config tells how to reach one device.
type Config struct {
	// Address is the device service, "http://192.0.2.64/onvif/device_service", or only a host
	// with or without a port.
	Address            string
	Username, Password string
	// TrustAddresses takes the addresses that the device reports as they are. Without it their
	// host is replaced by the one of Address, as devices behind NAT report unreachable ones.
	TrustAddresses bool
	Timeout        time.Duration // of one call; default 10 s
	Rest           time.Duration // of a password refused twice; default 5 min
	Log            *slog.Logger  // nil: silent
}

// maxTries is how often a password is sent before it rests: Hikvision and Dahua lock the account
// after five to seven wrong ones.
const maxTries = 2

// absentFor is how long an operation that the device refused as unknown is not asked for again:
// some devices refuse everything while they start.
const absentFor = 10 * time.Minute

// Client speaks to one device. It connects when first asked something, with a TCP connection for
// each call, since many cameras break kept ones. Its methods may be called at the same time.
type Client struct {
	cfg    Config
	base   *url.URL
	log    *slog.Logger
	plain  *http.Client // UsernameToken, or no password at all
	digest *http.Client
	// turn is taken for a call whose password has not been proven, so that calls made together
	// do not send a wrong one many times, and to learn the device's services.
	turn chan struct{}

	party party // who listens to the events

	pullTime, shortPull time.Duration // of PullMessages

	mu        sync.Mutex
	asked     bool // the device refused a call without a password
	useDigest bool // it wants HTTP digest
	proven    bool // a call with the password got through
	bare      bool // the device refuses requests with an action
	tries     int  // refused since the password last got through
	restUntil time.Time
	clock     *Clock
	endpoints map[service]endpoint
	absent    map[string]time.Time // actions that the device does not know, and when it said so
	info      Info
	infoAt    time.Time // when the device told it; zero: it is not known
}

// endpoint is where a service is. other is used when it does not answer at the first address:
// the port that the device reported, with the host that we know.
type endpoint struct{ address, other string }

// New returns a client. It does not connect.
func New(cfg Config) (*Client, error) {
	base, err := parseAddress(cfg.Address)
	if err != nil {
		return nil, err
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Rest = cmp.Or(cfg.Rest, 5*time.Minute)
	c := &Client{
		cfg: cfg, base: base, log: cfg.Log,
		pullTime: pullTime, shortPull: shortPull,
		turn: make(chan struct{}, 1), absent: make(map[string]time.Time),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	guarded := &guard{inner: transport(), refused: c.refused, resting: c.resting}
	c.plain = &http.Client{Transport: guarded, CheckRedirect: noRedirect}
	c.digest = &http.Client{CheckRedirect: noRedirect, Transport: &digest.Transport{
		Username: cfg.Username, Password: cfg.Password, Transport: guarded, FindChallenge: strongest,
	}}
	return c, nil
}

// transport speaks HTTP to a device. Certificates are not verified: cameras sign their own, and
// the password is sent as a digest. No proxy stands between a gateway and its cameras.
func transport() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		TLSHandshakeTimeout:    5 * time.Second,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // see above
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// parseAddress completes what an installer writes to the address of the device service.
func parseAddress(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ONVIF address cannot be read: %w", unwrapURL(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("ONVIF address begins with %q, not with http or https", u.Scheme)
	case u.Hostname() == "":
		return nil, fmt.Errorf("ONVIF address has no host")
	}
	u.User, u.Fragment = nil, ""
	if u.Path == "" || u.Path == "/" {
		u.Path = "/onvif/device_service"
	}
	return u, nil
}

// unwrapURL takes the URL, which may hold a password, out of a parser's error.
func unwrapURL(err error) error {
	if e, ok := err.(*url.Error); ok { //nolint:errorlint // url.Parse wraps nothing
		return e.Err
	}
	return err
}

// Host returns the host that is spoken to, without a port.
func (c *Client) Host() string { return c.base.Hostname() }

// Address returns the address of the device service.
func (c *Client) Address() string { return c.base.String() }

// rewrite puts the host that we know into an address that the device reported. Services and
// pictures keep our port too (RTSP has its own); what has no host gets ours.
func (c *Client) rewrite(reported string, keepPort bool) string {
	u, err := url.Parse(strings.TrimSpace(reported))
	if err != nil {
		return reported
	}
	u.User = nil // Some report the account inside (Hikvision OEM); ours is another key.
	if u.Host != "" && c.cfg.TrustAddresses && !unusable(u.Hostname()) {
		return u.String()
	}
	host := c.base.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	switch port := u.Port(); {
	case u.Host == "" || !keepPort:
		u.Host = c.base.Host
	case port != "":
		u.Host = host + ":" + port
	default:
		u.Host = host
	}
	if !keepPort || u.Scheme == "" {
		u.Scheme = c.base.Scheme
	}
	return u.String()
}

// unusable tells whether a host can't be one to connect to, such as 0.0.0.0.
func unusable(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsUnspecified() || ip.IsLinkLocalUnicast() && strings.Contains(host, ":"))
}

// endpointOf tells where a reported service address is reached.
func (c *Client) endpointOf(reported string) endpoint {
	e := endpoint{address: c.rewrite(reported, false)}
	if u, err := url.Parse(strings.TrimSpace(reported)); err == nil && u.Port() != "" && u.Port() != c.base.Port() {
		e.other = c.rewrite(reported, true)
	}
	return e
}

// service returns where a service is, after asking the device once.
func (c *Client) service(ctx context.Context, s service) (endpoint, error) {
	if s == deviceService {
		return endpoint{address: c.base.String()}, nil
	}
	known, err := c.connect(ctx)
	if err != nil {
		return endpoint{}, err
	}
	if e, ok := known[s]; ok {
		return e, nil
	}
	return endpoint{}, missing(s)
}

// unlearn drops what is known of the device, its password's standing apart.
func (c *Client) unlearn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endpoints, c.clock, c.bare = nil, nil, false
	clear(c.absent)
}

// connect learns the device's services unless they are known.
func (c *Client) connect(ctx context.Context) (map[service]endpoint, error) {
	c.mu.Lock()
	known := c.endpoints
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	known, err := c.readServices(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endpoints = known
	return known, nil
}

// readServices asks GetServices, and the older GetCapabilities for what that does not name: it fails
// on some devices, and leaves PTZ out on others (onvif_srvd).
func (c *Client) readServices(ctx context.Context) (map[service]endpoint, error) {
	known := make(map[service]endpoint)
	answer, err := c.call(ctx, request{
		service: deviceService, op: "GetServices",
		body: wrap("tds:GetServices", leaf("tds:IncludeCapability", "false")),
	})
	for _, e := range answer.all("Service") {
		for s, facts := range services {
			if e.str("Namespace") == facts.namespace && e.str("XAddr") != "" {
				known[s] = c.endpointOf(e.str("XAddr"))
			}
		}
	}
	named := func(s service) bool { return known[s] != (endpoint{}) }
	if (named(mediaService) || named(media2Service)) && named(ptzService) && named(eventService) {
		return known, nil
	}
	if k := kindOf(err); k == NotAuthorized || k == Resting || k == Refused || ctx.Err() != nil {
		return nil, err
	}
	answer, err = c.call(ctx, request{
		service: deviceService, op: "GetCapabilities",
		body: wrap("tds:GetCapabilities", leaf("tds:Category", "All")),
	})
	if err != nil && len(known) == 0 {
		return nil, err
	}
	for s, facts := range services {
		if x := answer.at("Capabilities").at(facts.capability...).str("XAddr"); x != "" && known[s] == (endpoint{}) {
			known[s] = c.endpointOf(x)
		}
	}
	return known, nil
}

// Services names the services that the device has, for people.
func (c *Client) Services(ctx context.Context) ([]string, error) {
	known, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for s := deviceService; s <= replayService; s++ {
		if _, ok := known[s]; ok || s == deviceService {
			names = append(names, s.String())
		}
	}
	return names, nil
}
