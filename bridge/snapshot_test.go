package bridge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/manscdp"
)

// lensCap is a Snapshotter.
type lensCap struct {
	picture []byte
	err     error
	block   chan struct{} // nil: none
}

func (l *lensCap) Snapshot(ctx context.Context) ([]byte, error) {
	if l.block != nil {
		select {
		case <-l.block:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return l.picture, l.err
}

var jpeg = []byte("\xff\xd8\xff\xe0 a picture \xff\xd9")

// archive is the platform's HTTP side.
type archive struct {
	mu    sync.Mutex
	files map[string]string // name → body
	code  int
}

func (a *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	name := strings.Join([]string{
		r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header.Get("Content-Disposition"),
	}, " ")
	a.files[name] = string(body)
	if a.code != 0 {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(a.code)
	}
}

func snapshotSite(l Snapshotter) *Site {
	return NewSite(Config{}, []Camera{
		{Name: "gate", ID: gate, Source: &probe{}, Snapshotter: l}, {Name: "yard", ID: yard, Source: &probe{}},
	})
}

func snap(t *testing.T, v *View, id string, c manscdp.SnapShotConfig) string {
	t.Helper()
	answer, err := v.DeviceConfig(t.Context(), &manscdp.DeviceConfig{
		Header: manscdp.Header{SN: "9", DeviceID: id}, Settings: manscdp.Settings{SnapShotConfig: &c},
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Result
}

const shotSession = "0123456789abcdef0123456789ABCDEF-1"

// watching runs the view's Watch; finished receives what it says of snapshots.
func watching(t *testing.T, v *View) (finished chan *manscdp.UploadSnapShotFinished, stop func()) {
	t.Helper()
	finished = make(chan *manscdp.UploadSnapShotFinished, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = v.Watch(ctx, func(m manscdp.Message) {
			if f, ok := m.(*manscdp.UploadSnapShotFinished); ok {
				finished <- f
			}
		})
	}()
	for {
		v.snapshots.mu.Lock()
		open := v.snapshots.queue != nil
		v.snapshots.mu.Unlock()
		if open {
			return finished, func() { cancel(); <-done }
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSnapshotsAreUploaded(t *testing.T) {
	for _, c := range []struct {
		name  string
		lens  lensCap
		code  int
		count int // pictures that arrive
	}{
		{"well", lensCap{picture: jpeg}, 0, 2},
		{"a camera that fails", lensCap{err: errors.New("time-out")}, 0, 0},
		{"no JPEG", lensCap{picture: []byte("<html>")}, 0, 0},
		{"too big", lensCap{picture: append(jpeg, make([]byte, maxPicture)...)}, 0, 0},
		{"a redirect is not followed", lensCap{picture: jpeg}, 307, 0},
		{"refused", lensCap{picture: jpeg}, 403, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &archive{files: map[string]string{}, code: c.code}
			server := httptest.NewServer(a)
			defer server.Close()
			v := snapshotSite(&c.lens).View(ViewConfig{
				NodeID: node, Channels: []string{"*"}, AllowConfig: allowed, SuperiorHost: "127.0.0.1:5060",
			})
			finished, stop := watching(t, v)
			defer stop()
			result := snap(t, v, gate, manscdp.SnapShotConfig{
				SnapNum: 2, Interval: 1, UploadURL: server.URL + "/up?token=x", SessionID: shotSession,
			})
			if result != manscdp.OK {
				t.Fatalf("answered %s", result)
			}
			set, err := v.ConfigDownload(t.Context(), &manscdp.ConfigDownloadQuery{
				Header: header(gate), ConfigType: "SnapShotConfig",
			})
			if err != nil || set.Result != manscdp.OK || set.SnapShotConfig == nil ||
				set.SnapShotConfig.SessionID != shotSession {
				t.Errorf("ConfigDownload says %+v, %v; want what was set", set, err)
			}
			f := <-finished
			if f.DeviceID != gate || f.SessionID != shotSession || len(f.Files) != c.count {
				t.Errorf("%+v, want %d files of session %s", f, c.count, shotSession)
			}
			form := regexp.MustCompile(`^` + gate + `02\d{17}0[12]$`)
			for _, id := range f.Files {
				if len(id) != 41 || !form.MatchString(id) {
					t.Errorf("file %q, want the device, 02, the time and the number", id)
				}
				name := `POST /up?token=x image/jpeg attachment; filename="` + id + `.jpg"`
				if a.files[name] != string(jpeg) {
					t.Errorf("%s did not arrive; there are %q", name, a.files)
				}
			}
			for name := range a.files {
				if strings.Contains(name, "elsewhere") {
					t.Error("the redirect was followed")
				}
			}
		})
	}
}

func TestFileID(t *testing.T) {
	at := time.Date(2026, 1, 31, 6, 40, 49, 583_900_000, time.UTC)
	if got, want := fileID(gate, at, 1), gate+"02"+"20260131144049583"+"01"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSnapshotsThatAreRefused(t *testing.T) {
	good := manscdp.SnapShotConfig{SnapNum: 1, Interval: 1, UploadURL: "http://192.0.2.10/up", SessionID: shotSession}
	with := func(f func(c *manscdp.SnapShotConfig)) manscdp.SnapShotConfig { c := good; f(&c); return c }
	to := func(url string) manscdp.SnapShotConfig {
		return with(func(c *manscdp.SnapShotConfig) { c.UploadURL = url })
	}
	lens := &lensCap{err: errors.New("nothing is really taken here")}
	v := snapshotSite(lens).View(ViewConfig{
		NodeID: node, Channels: []string{"*"}, AllowConfig: allowed, SuperiorHost: "192.0.2.10",
		SnapshotAllow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")},
	})
	if got := snap(t, v, gate, good); got != manscdp.ERROR {
		t.Errorf("nobody watches: %s", got)
	}
	_, stop := watching(t, v)
	defer stop()
	for _, c := range []struct {
		name   string
		id     string
		config manscdp.SnapShotConfig
		want   string
	}{
		{"the superior", gate, good, manscdp.OK},
		{"another port of it", gate, to("https://192.0.2.10:9000/up"), manscdp.OK},
		{"mapped into IPv6", gate, to("http://[::ffff:192.0.2.10]/up"), manscdp.OK},
		{"an allowed network", gate, to("http://198.51.100.77/up"), manscdp.OK},
		{"an allowed network of IPv6", gate, to("http://[2001:db8::7]/up"), manscdp.OK},
		{"the box itself", gate, to("http://127.0.0.1/up"), manscdp.ERROR},
		{"the box itself in IPv6", gate, to("http://[::1]/up"), manscdp.ERROR},
		{"the site's network", gate, to("http://192.168.1.64/reboot"), manscdp.ERROR},
		{"cloud metadata", gate, to("http://169.254.169.254/latest"), manscdp.ERROR},
		{"a zone", gate, to("http://[fe80::1%25eth0]/"), manscdp.ERROR},
		{"credentials", gate, to("http://user:pw@192.0.2.10/up"), manscdp.ERROR},
		{"a file", gate, to("file:///etc/passwd"), manscdp.ERROR},
		{"FTP", gate, to("ftp://192.0.2.10/up"), manscdp.ERROR},
		{"no host", gate, to("http:///up"), manscdp.ERROR},
		{"no URL", gate, to("192.0.2.10"), manscdp.ERROR},
		{"a URL without end", gate, to("http://192.0.2.10/" + strings.Repeat("a", maxURL)), manscdp.ERROR},
		{"no pictures", gate, with(func(c *manscdp.SnapShotConfig) { c.SnapNum = 0 }), manscdp.ERROR},
		{"too many", gate, with(func(c *manscdp.SnapShotConfig) { c.SnapNum = 11 }), manscdp.ERROR},
		{"a year", gate, with(func(c *manscdp.SnapShotConfig) { c.Interval = 31536000 }), manscdp.ERROR},
		{"no session", gate, with(func(c *manscdp.SnapShotConfig) { c.SessionID = "" }), manscdp.ERROR},
		{"a session with lines", gate, with(func(c *manscdp.SnapShotConfig) { c.SessionID = "a\r\nb" }), manscdp.ERROR},
		{"a camera that can't", yard, good, manscdp.ERROR},
		{"the node", node, good, manscdp.ERROR},
	} {
		if got := snap(t, v, c.id, c.config); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestANameIsJudgedByItsAddress uploads to names: what counts is where they lead at that moment.
func TestANameIsJudgedByItsAddress(t *testing.T) {
	a := &archive{files: map[string]string{}}
	server := httptest.NewServer(a)
	defer server.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	for _, c := range []struct {
		superior string
		allow    string
		host     string
		good     bool
	}{
		{"192.0.2.10", "", "localhost", false},
		{"192.0.2.10", "127.0.0.1/32", "localhost", true},
		{"", "", "localhost", false},
		{"localhost", "", "localhost", true},
		{"localhost", "", "127.0.0.1", true},
		{"localhost", "", "127.0.0.2", false},
		{"127.0.0.1", "", "localhost", true},
	} {
		var allow []netip.Prefix
		if c.allow != "" {
			allow = append(allow, netip.MustParsePrefix(c.allow))
		}
		u := newUploader(c.superior, allow)
		target, err := u.target("http://" + c.host + ":" + port + "/up")
		if err != nil {
			t.Fatal(err)
		}
		err = u.post(t.Context(), target, "f", jpeg)
		if (err == nil) != c.good || !c.good && !errors.Is(err, errAddress) {
			t.Errorf("%s for superior %q, allowed %q: %v", c.host, c.superior, c.allow, err)
		}
		if err != nil && strings.Contains(err.Error(), "/up") {
			t.Errorf("%v: the URL is no business of the log", err)
		}
	}
}

func TestSnapshotsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lens := &lensCap{err: errors.New("no"), block: make(chan struct{})}
		v := snapshotSite(lens).View(ViewConfig{
			NodeID: node, Channels: []string{"*"}, AllowConfig: allowed, SuperiorHost: "192.0.2.10",
		})
		l, stop := running(t, v.site, v)
		synctest.Wait()
		accepted := 0
		for range 100 {
			c := manscdp.SnapShotConfig{SnapNum: 1, Interval: 1, UploadURL: "http://192.0.2.10/", SessionID: shotSession}
			if snap(t, v, gate, c) == manscdp.OK {
				accepted++
			}
			synctest.Wait()
		}
		if accepted != shotsAtOnce+shotsWaiting {
			t.Errorf("%d jobs accepted, want %d", accepted, shotsAtOnce+shotsWaiting)
		}
		close(lens.block)
		synctest.Wait()
		if got := len(l.take()); got != accepted {
			t.Errorf("%d jobs reported, want %d", got, accepted)
		}
		stop()
	})
}

func TestPicturesAreTakenAtTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lens := &lensCap{err: errors.New("no")}
		v := snapshotSite(lens).View(ViewConfig{
			NodeID: node, Channels: []string{"*"}, AllowConfig: allowed, SuperiorHost: "192.0.2.10",
		})
		began := time.Now()
		v.snapshots.run(t.Context(), snapshotJob{camera: lens, count: 3, interval: 5 * time.Second, url: &url.URL{}})
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("3 pictures took %v, want 10 s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		began = time.Now()
		v.snapshots.run(ctx, snapshotJob{camera: lens, count: 3, interval: 5 * time.Second, url: &url.URL{}})
		if d := time.Since(began); d != 7*time.Second {
			t.Errorf("ended after %v, want with its context", d)
		}
	})
}
