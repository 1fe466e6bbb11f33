package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"gbgate/bridge/idstore"
	"gbgate/cmd/gbgate/config"
)

// discoverDoc is what `discover --json` prints.
type discoverDoc struct {
	Verdict string     `json:"verdict"`
	Reason  string     `json:"reason,omitempty"`
	Cameras []foundDoc `json:"cameras"`
	// Strangers were heard on our cables, with addresses in networks that we are not in.
	Strangers []strangerDoc `json:"strangers,omitempty"`
}

// foundDoc is a camera on the site. What was not learned is left out.
type foundDoc struct {
	Verdict    string   `json:"verdict"` // bad: something should be put right first
	Reason     string   `json:"reason,omitempty"`
	Name       string   `json:"name"` // its key in [[camera]]
	Host       string   `json:"host"`
	ONVIF      string   `json:"onvif,omitempty"`
	RTSP       string   `json:"rtsp,omitempty"` // the URL of the main stream, if it is known
	Brand      string   `json:"brand,omitempty"`
	Model      string   `json:"model,omitempty"`
	Title      string   `json:"title,omitempty"`
	Server     string   `json:"server,omitempty"` // what its RTSP server calls itself
	Firmware   string   `json:"firmware,omitempty"`
	Interface  string   `json:"interface,omitempty"`
	Also       []string `json:"also,omitempty"` // other addresses of the same device
	ClockSkew  *float64 `json:"clock_skew_seconds,omitempty"`
	Open       bool     `json:"open"`                  // answers without a password
	Factory    bool     `json:"factory_password"`      // has one that everybody knows; looked for with --factory only
	Password   string   `json:"password,omitempty"`    // of --user: "good" or "bad"
	Configured string   `json:"configured,omitempty"`  // the camera of the configuration that it is
	Code       string   `json:"code,omitempty"`        // a free code of the block
	CodeReason string   `json:"code_reason,omitempty"` // why there is none
	id         string   // ONVIF endpoint
	from       string   // the host that answered discovery
	user       string   // of an account that it let in
	hosts      []string // all its addresses, without ports
}

// discoverOptions is what a search may be told.
type discoverOptions struct {
	file           string
	user, password string
	factory, scan  bool
	networks       []netip.Prefix // to scan; empty = those of the interfaces
	wait           time.Duration
	interfaces     []net.Interface // to ask on; empty = all
	discoveryPort  int
	rtspPorts      []uint16 // to scan
}

// discoverCommand is `gbgate discover`.
func discoverCommand(ctx context.Context, e env, args []string) int {
	flags := e.flags("discover")
	asJSON := flags.Bool("json", false, "print one JSON object")
	asTOML := flags.Bool("toml", false, "print [[camera]] blocks")
	opt := discoverOptions{scan: true, wait: 4 * time.Second, rtspPorts: []uint16{554, 8554}}
	flags.StringVar(&opt.file, "c", defaultConfig, "configuration `file`: what is there already, and the block of codes")
	flags.StringVar(&opt.user, "user", "", "`name` of an account to look closer with")
	passwordFile := flags.String("password-file", "", "`file` with its password; - is the standard input")
	flags.BoolVar(&opt.factory, "factory", false, "try two passwords that cameras are shipped with")
	noScan := flags.Bool("no-scan", false, "ask by ONVIF only, knock on no RTSP port")
	networks := flags.String("net", "", "scan these `networks` (192.0.2.0/24,…) instead of our own")
	if code, done := e.parse(flags, args); done {
		return code
	}
	opt.scan = !*noScan
	var err error
	if opt.networks, err = prefixes(*networks); err != nil {
		return e.fail(exitUsage, err)
	}
	if opt.password, err = readPassword(*passwordFile); err != nil {
		return e.fail(exitUsage, err)
	}
	known, err := knownSite(opt.file, isSet(flags, "c"))
	if err != nil {
		return e.fail(exitUsage, err)
	}
	doc := discover(ctx, opt, known)
	switch {
	case *asJSON:
		e.printJSON(doc)
	case *asTOML:
		e.printCameras(doc)
	default:
		e.printFound(doc)
	}
	if doc.Reason != "" {
		return e.fail(exitBad, errors.New(doc.Reason))
	}
	return exitGood
}

func isSet(flags *flag.FlagSet, name string) bool {
	found := false
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// prefixes reads a list of networks; a plain address is a network of one.
func prefixes(list string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for s := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(s)
		if a, addrErr := netip.ParseAddr(s); addrErr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || !p.Addr().Is4() {
			return nil, fmt.Errorf("--net: %q is no IPv4 network", s)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// readPassword takes the first line of a file.
func readPassword(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	data, err := []byte(nil), error(nil)
	if file == "-" {
		file = "/dev/stdin"
	}
	if data, err = os.ReadFile(file); err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// knownSiteConfig is what the configuration and the ID store know already.
type knownSiteConfig struct {
	cfg   *config.Config
	store *idstore.Store
}

// knownSite reads the configuration and the ID store. The default file may be missing.
func knownSite(file string, wanted bool) (knownSiteConfig, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && !wanted {
		return knownSiteConfig{cfg: config.Default(), store: &idstore.Store{}}, nil
	}
	cfg, err := config.Load(file, config.MissingCodesAllowed())
	if err != nil {
		return knownSiteConfig{}, err
	}
	store, err := idstore.Open(storePath(cfg))
	if err != nil {
		return knownSiteConfig{}, err
	}
	return knownSiteConfig{cfg, store}, nil
}

// mark tells which of the cameras are configured, and gives the others names and free codes.
// Nothing is kept: the codes are given for good when the cameras are in the configuration.
func (k knownSiteConfig) mark(found []foundDoc) {
	byHost := make(map[string]string)
	taken := make(map[string]bool)
	for _, c := range k.cfg.Cameras {
		taken[c.Name] = true
		for _, address := range []string{c.ONVIF, c.URL} {
			if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
				byHost[u.Hostname()] = c.Name
			}
		}
	}
	ask := request(k.cfg)
	first := len(ask.Cameras)
	var fresh []int
	for i := range found {
		f := &found[i]
		for _, h := range f.hosts {
			if name := byHost[h]; name != "" {
				f.Configured, f.Name = name, name
			}
		}
		if f.Configured != "" {
			continue
		}
		f.Name = freeName("cam_"+strings.NewReplacer(".", "_", ":", "_").Replace(f.Host), taken)
		fresh = append(fresh, i)
		ask.Cameras = append(ask.Cameras, idstore.Camera{Name: f.Name, Title: f.Title})
	}
	if len(k.store.Block()) == 0 {
		return
	}
	for i, b := range k.store.Settle(ask)[first:] {
		f := &found[fresh[i]]
		if f.Code = b.Code; b.Err != nil {
			f.CodeReason = b.Err.Error()
		}
	}
}

func freeName(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s_%d", name, n)
	}
	taken[free] = true
	return free
}
