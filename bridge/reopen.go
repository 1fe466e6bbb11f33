package bridge

import (
	"errors"
	"time"
)

const (
	// thirst is how long a viewer waits for a key picture before the session with the camera is opened anew.
	thirst = 5 * time.Second
	// promptly is how soon a session must have begun with a key picture for another one to be worth its price: some
	// cameras begin in the middle, or never send one.
	promptly = 3 * time.Second
	// reopenEvery is how often at most a session is opened anew for a key picture.
	reopenEvery = time.Minute
)

var errReopen = errors.New("a key picture is wanted")

// reopening is what a feed knows about opening its session anew. Feed.mu guards it.
type reopening struct {
	wanted bool
	last   time.Time     // when it was wanted last
	began  time.Time     // of the session
	took   time.Duration // to its first key picture
}

func (r *reopening) begin(now time.Time) { r.wanted, r.began, r.took = false, now, 0 }

func (r *reopening) live(now time.Time) { r.took = now.Sub(r.began) }

// reopen ends the session with the camera and begins another one, which cameras begin with a key picture. That is
// the last resort where the next one is far off (smart codecs, minutes apart) and the camera can't be asked: it is done
// only if nobody gets pictures now, if the present session began promptly, and at most once a minute.
func (f *Feed) reopen() bool {
	if !f.stream.Starving() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.state != Live || f.anew.took > promptly || !f.anew.last.IsZero() && now.Sub(f.anew.last) < reopenEvery {
		return false
	}
	f.anew.wanted, f.anew.last = true, now
	f.notify()
	return true
}
