package rtsp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// TestPasswordQuirks: with the right password the picture comes however it is asked for. A wrong one goes out at most
// twice, because cameras lock the account, and afterwards the right one still opens the door.
func TestPasswordQuirks(t *testing.T) {
	plays(t, simcam.PasswordQuirks(), Config{}, func(t *testing.T, cam *fakeCamera) {
		cam.Forget()
		err := cam.pull(Config{Username: cam.Username, Password: "wrong"})
		if kindOf(err) != Auth || fmt.Sprint(err) != "password refused" {
			t.Errorf("got %v: %v, want that the password is refused", kindOf(err), err)
		}
		signed := 0
		for _, r := range cam.Requests() {
			if r.Get("Authorization") != "" {
				signed++
			}
		}
		if signed == 0 || signed > maxWrong {
			t.Errorf("the wrong password went out %d times, want once or twice", signed)
		}
		if err := cam.pull(Config{}); err != errEnough { //nolint:errorlint // the very cause
			t.Errorf("behind the wrong password: %v, want %v", err, errEnough)
		}
	})
}

// A camera that has a new nonce on each connection and hangs up behind a wrong password is not asked again soon.
func TestWrongPasswordHungUpOn(t *testing.T) {
	cam := newFakeCamera(t)
	cam.Answer = func(c *camConn, r *camRequest) string {
		challenge := fmt.Sprintf(`WWW-Authenticate: Digest realm="cam", nonce="n%d"`, c.Number)
		c.Send([]byte(simcam.Reply(r, "401 Unauthorized", challenge)))
		return "!"
	}
	err := cam.pull(Config{Username: "user", Password: "wrong"})
	verdict{Auth, "wrong, or no session is free"}.on(t, err)
	if n := len(cam.Asked("OPTIONS")); n > 3 {
		t.Errorf("%d connections, want two or three", n)
	}
	if n := signatures(cam); n > maxWrong {
		t.Errorf("the password went out %d times, want at most %d", n, maxWrong)
	}
}

// signatures is how often the password went out.
func signatures(cam *fakeCamera) int {
	n := 0
	for _, r := range cam.Requests() {
		if r.Get("Authorization") != "" {
			n++
		}
	}
	return n
}

// A camera that never answers what is signed gets the password twice, and is not asked again soon.
func TestEverySignatureHungUpOn(t *testing.T) {
	cam := newFakeCamera(t)
	cam.Answer = func(c *camConn, r *camRequest) string {
		switch {
		case r.Get("Authorization") != "":
			return "!"
		case r.Method == "DESCRIBE":
			return simcam.Reply(r, "401 Unauthorized", fmt.Sprintf(`WWW-Authenticate: Digest realm="cam", nonce="n%d"`, c.Number))
		}
		return ""
	}
	err := cam.pull(Config{Username: "user", Password: "wrong"})
	verdict{Auth, "wrong, or no session is free"}.on(t, err)
	if n := signatures(cam); n != maxWrong {
		t.Errorf("the password went out %d times, want %d", n, maxWrong)
	}
}

// TestTransportQuirks: where RTP over TCP does not come, "auto" gets the picture over UDP, and begins there next time.
func TestTransportQuirks(t *testing.T) {
	for _, quirk := range simcam.TransportQuirks() {
		t.Run(quirk.Name, func(t *testing.T) {
			cam := newFakeCamera(t)
			quirk.Script(cam.Scripted)
			src := &Source{Config: Config{URL: cam.URL(), Transport: "auto", FrameTimeout: 2 * time.Second}}
			for run, want := range []int{2, 3} {
				ctx, cancel := context.WithCancelCause(context.Background())
				units := 0
				err := src.Run(ctx, func(u *media.Unit) {
					u.Release()
					if units++; units == 25 {
						cancel(errEnough)
					}
				})
				if !errors.Is(err, errEnough) {
					t.Fatalf("%v behind %d pictures", err, units)
				}
				if got := len(cam.Asked("DESCRIBE")); got != want {
					t.Errorf("run %d: got %d sessions so far, want %d", run, got, want)
				}
			}
		})
	}
}

// TestTransports: with nothing odd about the camera, one session is enough.
func TestTransports(t *testing.T) {
	for _, transport := range []string{"tcp", "udp", "auto"} {
		cam := newFakeCamera(t)
		if err := cam.pull(Config{Transport: transport}); err != errEnough { //nolint:errorlint // the very cause
			t.Errorf("%s: %v, want %v", transport, err, errEnough)
		}
		if got := len(cam.Asked("DESCRIBE")); got != 1 {
			t.Errorf("%s: %d sessions", transport, got)
		}
	}
}

// TestKeepaliveQuirks: what a camera makes of signs of life is found out, so that its session goes on, and remembered
// for the next one.
func TestKeepaliveQuirks(t *testing.T) {
	// How many of each kind a camera gets before its session goes on for good, and which kind then.
	wants := map[string]struct {
		refused, lost int
		then          string
	}{
		"GET_PARAMETER refused":                     {refused: 2, then: "OPTIONS"},
		"GET_PARAMETER hung up on":                  {refused: 2, lost: 2, then: "OPTIONS"},
		"OPTIONS hung up on":                        {then: "GET_PARAMETER"},
		"signs of life refused":                     {refused: 4},
		"signs of life unanswered":                  {then: "GET_PARAMETER"},
		"signs of life for the session and its URL": {then: "GET_PARAMETER"},
	}
	quirks := simcam.KeepaliveQuirks()
	if len(quirks) != len(wants) {
		t.Errorf("%d quirks have %d entries", len(quirks), len(wants))
	}
	together(t, quirks, func(cam *fakeCamera, quirk string) (faults []string) {
		want, ok := wants[quirk]
		if !ok {
			return []string{"the quirk has no entry"}
		}
		src := &Source{Config: Config{URL: cam.URL()}}
		lost := 0
		for session := range want.lost + 2 { // the last but one shows that it goes on, the last that it was remembered
			err := cam.lives(src, want.refused, want.then)
			switch {
			case errors.Is(err, errEnough):
			case kindOf(err) == Closed && session < want.lost:
				lost++
			default:
				return append(faults, fmt.Sprintf("session %d: %v", session, err))
			}
		}
		if lost != want.lost {
			faults = append(faults, fmt.Sprintf("%d sessions were lost, want %d", lost, want.lost))
		}
		for _, r := range cam.Asked("GET_PARAMETER") {
			if r.Get("Session") != "1234" || r.URL != cam.URL() {
				faults = append(faults, fmt.Sprintf("sign of life for session %q and %s", r.Get("Session"), r.URL))
			}
		}
		if n := len(cam.Asked("GET_PARAMETER")); want.then == "OPTIONS" && n != want.refused {
			faults = append(faults, fmt.Sprintf("%d GET_PARAMETER, want %d: then they are known to be refused", n, want.refused))
		}
		if n := len(cam.signs("")); want.then == "" && n != want.refused {
			faults = append(faults, fmt.Sprintf("%d signs of life, want %d: then none is welcome", n, want.refused))
		}
		return faults
	})
}

// lives runs a source until so many signs of life were refused, and two more of another kind, or as many pictures as
// come meanwhile, have gone.
func (cam *fakeCamera) lives(src *Source, refused int, then string) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	before := len(cam.signs(then))
	pictures := 0
	return src.Run(ctx, func(u *media.Unit) {
		u.Release()
		switch {
		case then != "" && len(cam.signs(then)) >= before+2:
			cancel(errEnough)
		case then == "" && len(cam.signs("")) >= refused:
			if pictures++; pictures == 500 { // 2.5 s, three times as long as a sign of life takes to come
				cancel(errEnough)
			}
		}
	})
}

// signs are the signs of life that came, "" of any method.
func (cam *fakeCamera) signs(method string) []*camRequest {
	var all []*camRequest
	for _, r := range cam.Requests() {
		sign := r.Get("Session") != "" && (r.Method == "OPTIONS" || r.Method == "GET_PARAMETER")
		if sign && (r.Method == method || method == "") {
			all = append(all, r)
		}
	}
	return all
}

// TestRedirectQuirks: a camera that has moved is followed, but the password goes to no other host.
func TestRedirectQuirks(t *testing.T) {
	want := map[string]verdict{
		"redirect to another host": {Auth, "another host"},
		"redirect to a web page":   {Protocol, "302"},
	}
	for _, quirk := range simcam.RedirectQuirks() {
		t.Run(quirk.Name, func(t *testing.T) {
			cam := newFakeCamera(t)
			quirk.Script(cam.Scripted)
			err := cam.pull(Config{})
			if quirk.Name == "redirect on the same host" {
				if err != errEnough { //nolint:errorlint // the very cause
					t.Errorf("got %v, want %v", err, errEnough)
				}
				return
			}
			want[quirk.Name].on(t, err)
			for _, r := range cam.Requests() {
				if strings.Contains(r.URL, "/moved") && r.Get("Authorization") != "" {
					t.Errorf("password given to another host: %q", r.Get("Authorization"))
				}
			}
		})
	}
}
