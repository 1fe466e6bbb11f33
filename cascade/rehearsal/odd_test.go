package rehearsal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

func TestCancel(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			n, _ := shore(t, transport, func(n *fakeNode) { n.slow, n.cancellable = 10*time.Second, true })
			_, err := n.Play(testContext(t), PlayRequest{
				Channel: cameraID, Transport: UDP, CancelAfter: 50 * time.Millisecond,
			})
			if code, _ := gb28181.StatusOf(err); err == nil || code != 487 {
				t.Errorf("%v, want 487", err)
			}
		})
	}
}

// The endpoint absorbs repeats, so the node sees each request once and each repeat has the same answer.
func TestRepeats(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			n, fake := shore(t, transport, nil)
			got, err := n.Play(testContext(t), PlayRequest{Channel: cameraID, Transport: UDP, Pictures: 50, Repeats: 1})
			if err != nil {
				t.Fatal(err)
			}
			wantFaults(t, got.Faults, nil)
			seen := slices.DeleteFunc(fake.seen(), func(m string) bool { return m == "ACK" })
			if !slices.Equal(seen, []string{"INVITE", "BYE"}) {
				t.Errorf("the node's handlers saw %v", seen)
			}
		})
	}
}

func TestSecondInvite(t *testing.T) {
	tests := []struct {
		name     string
		kind     Reinvite
		reanswer func(*sipua.Response)
		want     string // fault
		err      error
	}{
		{"same", ReinviteSame, nil, "", nil},
		{"another answer", ReinviteSame, func(r *sipua.Response) {
			r.Body = []byte(strings.Replace(string(r.Body), "m=video ", "m=video 1", 1))
		}, "the second INVITE is answered with", nil},
		{"not moved", ReinviteMove, nil, "", ErrNoMedia},
		{"not held", ReinviteHold, nil, "packets came while the call was held", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, _ := shore(t, "udp", func(n *fakeNode) {
				n.units, n.reanswer, n.afterBye = liveUnits(50, false, 0x90), tt.reanswer, tt.kind == ReinviteHold
			})
			pictures := 50
			if tt.kind == ReinviteMove {
				pictures = 100
			}
			got, err := n.Play(testContext(t), PlayRequest{
				Channel: cameraID, Transport: UDP, Pictures: pictures, Reinvite: tt.kind, Timeout: time.Second,
			})
			if !errors.Is(err, tt.err) {
				t.Fatalf("%v, want %v", err, tt.err)
			}
			found := slices.ContainsFunc(got.Faults, func(f string) bool {
				return tt.want != "" && strings.Contains(f, tt.want)
			})
			if found != (tt.want != "") {
				t.Errorf("faults %q, want one with %q", got.Faults, tt.want)
			}
		})
	}
}

func TestByeByCallID(t *testing.T) {
	n, fake := shore(t, "udp", nil)
	if _, err := n.Play(testContext(t), PlayRequest{Channel: cameraID, Transport: UDP, ByeByCallID: true}); err != nil {
		t.Fatal(err)
	}
	fake.wantSeen(t, "INVITE", "ACK", "BYE")
}

func TestRedirect(t *testing.T) {
	second, err := Listen(Config{ID: "34020000002000000002"})
	if err != nil {
		t.Fatal(err)
	}
	p := startPlatform(t, Config{Password: password})
	run(t, second.Run)
	p.Redirect(second)
	n := startNode(t, p, "udp", nil)
	res := n.register(testContext(t), "3600")
	want := sipua.URI{User: second.ID(), Host: "127.0.0.1", Port: int(second.Addr().Port())}
	if res.Code != 302 || res.Contact == nil || *res.Contact != want {
		t.Errorf("%+v, want 302 to %v", res, second.Addr())
	}
	p.Redirect(nil)
	if res := n.register(testContext(t), "3600"); res.Code != 200 {
		t.Errorf("%d after the redirection, want 200", res.Code)
	}
}

func TestRegistrarOptions(t *testing.T) {
	p := startPlatform(t, Config{
		Password: password, MinExpires: time.Hour, Date: func(time.Time) string { return "soon" },
		Challenges: []string{`Digest realm="x", nonce="1", algorithm=SM3`},
	})
	n := startNode(t, p, "udp", nil)
	if res := n.register(testContext(t), "60"); res.Code != 423 || res.Header("Min-Expires") != "3600" {
		t.Errorf("%+v, want 423", res)
	}
	if res := n.register(testContext(t), "3600"); res.Code != 200 || res.Header("Date") != "soon" {
		t.Errorf("%+v, want 200 with the Date soon", res)
	}
	if res := n.register(testContext(t), "0"); res.Code != 200 {
		t.Errorf("leaving is answered %d", res.Code)
	}
}

func TestForgetDropAgain(t *testing.T) {
	cfg := Config{ID: platformID}
	p, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	fake := startNode(t, p, "tcp", nil)
	fake.register(ctx, "3600")
	n, err := p.WaitNode(ctx, nodeID)
	if err != nil {
		t.Fatal(err)
	}
	n.Forget()
	if got := fake.send(ctx, []byte(offNotify)); got != 404 {
		t.Errorf("a forgotten node is answered %d, want 404", got)
	}
	fake.register(ctx, "3600")
	if err := n.DropConnection(); err != nil {
		t.Fatal(err)
	}
	if err := n.WaitState(ctx, func(s NodeState) bool { return !s.Registered }); err != nil {
		t.Error(err)
	}
	cancel()
	<-done
	second, err := p.Again()
	if err != nil {
		t.Fatal(err)
	}
	run(t, second.Run)
	if second.Addr() != p.Addr() || len(second.Nodes()) != 0 {
		t.Errorf("%v with %d nodes, want %v with none", second.Addr(), len(second.Nodes()), p.Addr())
	}
}

func TestNoticesAndTexts(t *testing.T) {
	n, fake := shore(t, "udp", nil)
	ctx := testContext(t)
	for range 2 {
		body := `<Notify><CmdType>Keepalive</CmdType><SN>5</SN><DeviceID>` + nodeID +
			`</DeviceID><Status>OK</Status></Notify>`
		fake.send(ctx, []byte(body))
	}
	if got := n.State().BadSNs; got != 1 {
		t.Errorf("%d keepalives whose SN did not rise, want 1", got)
	}
	fake.send(ctx, []byte(`<Notify><CmdType>Weather</CmdType><SN>1</SN><DeviceID>`+nodeID+`</DeviceID></Notify>`))
	note, err := n.WaitNotice(ctx, "Weather", 0)
	if _, unread := note.Message.(*Unread); err != nil || !unread {
		t.Errorf("%+v, %v", note, err)
	}
	body := "<Query><CmdType>Catalog</CmdType><SN>8</SN><DeviceID>" + nodeID + "</DeviceID></Query>"
	code, answer, err := n.AskText(ctx, nodeID, []byte(body), "Catalog", "8", 50*time.Millisecond)
	if code != 200 || answer != nil || !errors.Is(err, errNoAnswer) {
		t.Errorf("a query that is not answered: %d, %v, %v", code, answer, err)
	}
}

func TestUploads(t *testing.T) {
	startPlatform(t, Config{}) // for its leak check
	u, err := ListenUploads("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run(t, u.Run)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for body, want := range map[string]int{"\xff\xd8\xff\xe0 \xff\xd9": 200, strings.Repeat("a", maxPicture+1): 413} {
		res, err := client.Post(u.URL(), "image/jpeg", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes are answered %d, want %d", len(body), res.StatusCode, want)
		}
	}
	got := u.Got()
	if len(got) != 1 || !got[0].IsJPEG() || got[0].Path != "/snap?from=gb" || got[0].ContentType != "image/jpeg" {
		t.Errorf("uploads: %+v", got)
	}
}

func TestSnapshot(t *testing.T) {
	n, _ := shore(t, "udp", func(n *fakeNode) {
		n.answers = func(m manscdp.Message) []manscdp.Message {
			c, ok := m.(*manscdp.DeviceConfig)
			if !ok {
				return nil
			}
			return []manscdp.Message{
				&manscdp.DeviceConfigResponse{Header: c.Answer(), Result: "OK"},
				&manscdp.UploadSnapShotFinished{
					Header: manscdp.Header{SN: "9", DeviceID: c.DeviceID}, SessionID: c.SnapShotConfig.SessionID, Files: []string{"1"},
				},
			}
		}
	})
	done, err := n.Snapshot(testContext(t), cameraID, 1, "http://127.0.0.1:1/")
	if err != nil || len(done.Files) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}
