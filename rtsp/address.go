package rtsp

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// maxURL bounds what is read as a URL, in bytes: each "@" in it may be the end of an account, and what stands behind each
// is looked at.
const maxURL = 4096

// address is a stream's URL in pieces. The path is kept byte for byte, since cameras compare it as
// text and net/url would escape it anew.
type address struct {
	scheme string // "rtsp" or "rtsps"
	host   string // with port where the URL has one
	path   string // from the first slash, with the query; may be empty
}

func (a address) String() string { return a.scheme + "://" + a.host + a.path }

// hostname returns the host without port and brackets.
func (a address) hostname() string {
	if h, _, err := net.SplitHostPort(a.host); err == nil {
		return h
	}
	return strings.Trim(a.host, "[]")
}

// dial returns the host and port to connect to.
func (a address) dial() string {
	if h, p, err := net.SplitHostPort(a.host); err == nil {
		return net.JoinHostPort(h, p)
	}
	port := "554"
	if a.scheme == "rtsps" {
		port = "322"
	}
	return net.JoinHostPort(a.hostname(), port)
}

// at returns the same host's URL with another path.
func (a address) at(path string) address {
	a.path = path
	return a
}

// parseAddress splits a URL. User name and password in it are accepted raw or escaped; a raw password
// may hold any of "@/:?#", so the userinfo ends at the last "@" that a host follows.
func parseAddress(raw string) (a address, user, password string, err error) {
	raw = strings.TrimSpace(raw)
	scheme, rest, ok := strings.Cut(raw, "://")
	a.scheme = strings.ToLower(scheme)
	if !ok || a.scheme != "rtsp" && a.scheme != "rtsps" {
		return a, "", "", errors.New("not an rtsp:// or rtsps:// URL")
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return a, "", "", errors.New("control character in the URL")
	}
	if len(rest) > maxURL {
		return a, "", "", errors.New("the URL is too long")
	}
	info, rest := cutUserinfo(rest)
	a.host, a.path = cutHost(rest)
	if !validHost(a.host) {
		return a, "", "", errors.New("no valid host in the URL")
	}
	a.path = strings.ReplaceAll(a.path, " ", "%20") // a blank would end the request line
	user, password, _ = strings.Cut(info, ":")
	return a, unescape(user), unescape(password), nil
}

// cutUserinfo prefers the reading in which the host is surely one: an address, or a name with a dot or a port.
func cutUserinfo(s string) (info, rest string) {
	authority, _ := cutHost(s)
	first := strings.LastIndexByte(authority, '@')
	if host := authority[first+1:]; validHost(host) && (first < 0 || strings.ContainsAny(host, ".:")) {
		return s[:max(first, 0)], s[first+1:]
	}
	for i := range len(s) {
		if i <= first || s[i] != '@' {
			continue
		}
		if host, _ := cutHost(s[i+1:]); validHost(host) && (first < 0 || strings.ContainsAny(host, ".:")) {
			return s[:i], s[i+1:]
		}
	}
	return s[:max(first, 0)], s[first+1:]
}

func cutHost(s string) (host, path string) {
	if end := strings.IndexAny(s, "/?"); end >= 0 {
		return s[:end], s[end:]
	}
	return s, ""
}

func validHost(s string) bool {
	host := s
	if h, p, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return false
		}
		host = h
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if host == "" {
		return false
	}
	if strings.Contains(host, ":") {
		return net.ParseIP(strings.Split(host, "%")[0]) != nil
	}
	return !strings.ContainsAny(host, " @:/?#[]\\\"")
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// base returns the URL that track controls and the aggregate requests build on: the session's absolute
// control, else Content-Base, else the URL of the DESCRIBE. Cameras write their LAN address, no scheme,
// "rtsp://rtsp://…" or nonsense there, so only the path is taken, and only if it reads like one.
func (a address) base(control, contentBase string) address {
	for _, text := range []string{control, contentBase} {
		if path, ok := pathOf(text); ok {
			return a.at(path)
		}
	}
	return a
}

// pathOf returns the path of an absolute RTSP URL, or of one that has only lost its scheme and host.
func pathOf(text string) (string, bool) {
	if text = strings.TrimSpace(text); len(text) > maxURL {
		return "", false
	}
	if strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") {
		return text, validPath(text)
	}
	found := false
	for {
		scheme, rest, ok := strings.Cut(text, "://")
		if !ok || !strings.EqualFold(scheme, "rtsp") && !strings.EqualFold(scheme, "rtsps") {
			break
		}
		text, found = rest, true
	}
	if !found {
		return "", false
	}
	_, text = cutUserinfo(text)
	_, path := cutHost(text)
	return path, validPath(path)
}

// validPath refuses blanks, control characters and broken escapes.
func validPath(path string) bool {
	if strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return false
	}
	_, err := url.PathUnescape(path)
	return err == nil
}

// control returns the URL of a track's SETUP. A relative control is appended to the base, behind its
// query too, which is what Dahua and Hikvision expect; nothing is resolved.
func (a address) control(control string) address {
	control = strings.ReplaceAll(strings.TrimSpace(control), " ", "%20")
	if control == "" || control == "*" {
		return a
	}
	if strings.Contains(control, "://") {
		if path, ok := pathOf(control); ok {
			return a.at(path)
		}
	}
	path := a.path
	switch {
	case control[0] == '/':
		path = strings.TrimSuffix(path, "/")
	case control[0] != '?' && !strings.HasSuffix(path, "/"):
		path += "/"
	}
	return a.at(path + control)
}
