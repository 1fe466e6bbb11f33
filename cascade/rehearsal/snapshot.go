package rehearsal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"gbgate/gb28181/manscdp"
)

// Bounds of what is taken in.
const (
	maxPicture  = 16 << 20 // bytes
	maxPictures = 64
)

// Upload is one picture that came.
type Upload struct {
	At          time.Time
	Method      string
	Path        string // with its query
	ContentType string
	Body        []byte
}

// IsJPEG tells whether the body begins and ends as a JPEG file does.
func (u Upload) IsJPEG() bool {
	return bytes.HasPrefix(u.Body, []byte{0xff, 0xd8, 0xff}) && bytes.HasSuffix(u.Body, []byte{0xff, 0xd9})
}

// Uploads is the HTTP side of a snapshot (2022 9.14): it keeps what is posted or put.
type Uploads struct {
	listener net.Listener

	mu  sync.Mutex
	got []Upload
}

// ListenUploads binds the HTTP receiver; it serves once Run is called.
func ListenUploads(addr string) (*Uploads, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("rehearsal: uploads: %w", err)
	}
	return &Uploads{listener: l}, nil
}

// URL is where to upload to.
func (u *Uploads) URL() string { return "http://" + u.listener.Addr().String() + "/snap?from=gb" }

// Run serves until ctx ends.
func (u *Uploads) Run(ctx context.Context) error {
	srv := &http.Server{Handler: http.HandlerFunc(u.take), ReadTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(u.listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if srv.Shutdown(late) != nil {
		_ = srv.Close() // who uploads that slowly is cut off
	}
	<-served
	return nil
}

func (u *Uploads) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPicture))
	switch {
	case err != nil:
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	case r.Method != http.MethodPost && r.Method != http.MethodPut:
		http.Error(w, "POST or PUT", http.StatusMethodNotAllowed)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.got) < maxPictures {
		u.got = append(u.got, Upload{
			At: time.Now(), Method: r.Method, Path: r.URL.RequestURI(), ContentType: r.Header.Get("Content-Type"), Body: body,
		})
	}
}

// Got is what came so far.
func (u *Uploads) Got() []Upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.got)
}

// Snapshot asks a camera for pictures and waits for its word that they are uploaded.
func (n *Node) Snapshot(ctx context.Context, id string, pictures int, url string) (
	*manscdp.UploadSnapShotFinished, error,
) {
	session := token(20)
	from := len(n.Notices())
	answer, err := n.DeviceConfig(ctx, id, manscdp.Settings{SnapShotConfig: &manscdp.SnapShotConfig{
		SnapNum: pictures, Interval: 1, UploadURL: url, SessionID: session,
	}})
	if err != nil {
		return nil, err
	}
	if answer.Result != "OK" {
		return nil, fmt.Errorf("snapshot of %s: the answer is %s", id, answer.Result)
	}
	note, err := n.WaitNotice(ctx, "UploadSnapShotFinished", from)
	if err != nil {
		return nil, err
	}
	done, _ := note.Message.(*manscdp.UploadSnapShotFinished)
	if done == nil || done.SessionID != session {
		return done, fmt.Errorf("snapshot of %s: the end names another session: %+v", id, note.Message)
	}
	return done, nil
}
