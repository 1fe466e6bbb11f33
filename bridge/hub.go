package bridge

import "sync"

// maxAlarms bounds the alarms that wait in a mailbox; the oldest go first.
const maxAlarms = 256

// hub tells everybody who watches the site what has changed.
type hub struct {
	mu    sync.Mutex
	boxes map[*mailbox]struct{}
}

func (h *hub) open() *mailbox {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.boxes == nil {
		h.boxes = make(map[*mailbox]struct{})
	}
	b := &mailbox{ready: make(chan struct{}, 1)}
	h.boxes[b] = struct{}{}
	return b
}

func (h *hub) close(b *mailbox) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.boxes, b)
}

// tell never blocks.
func (h *hub) tell(f func(*mailbox)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for b := range h.boxes {
		f(b)
	}
}

// mailbox collects what one watcher has not looked at yet. It says which camera changed, not
// how: the watcher looks for itself, so that its size is bounded by the number of cameras.
type mailbox struct {
	ready chan struct{} // holds one token while there is something

	mu   sync.Mutex
	news news
	in   map[string]bool // names in news.cameras
}

// news is what a mailbox held.
type news struct {
	table   bool     // it is another one
	cameras []string // names of those whose condition changed, in that order
	alarms  []sourced
	active  map[string]bool // by camera: whether something goes on there
}

// sourced is an alarm of a camera.
type sourced struct {
	camera string
	Alarm
}

func (b *mailbox) tableChanged() { b.put(func() { b.news.table = true }) }

func (b *mailbox) cameraChanged(name string) {
	b.put(func() {
		if !b.in[name] {
			if b.in == nil {
				b.in = make(map[string]bool)
			}
			b.in[name] = true
			b.news.cameras = append(b.news.cameras, name)
		}
	})
}

func (b *mailbox) alarm(a sourced) {
	b.put(func() {
		if len(b.news.alarms) >= maxAlarms {
			b.news.alarms = b.news.alarms[1:]
		}
		b.news.alarms = append(b.news.alarms, a)
	})
}

func (b *mailbox) active(camera string, on bool) {
	b.put(func() {
		if b.news.active == nil {
			b.news.active = make(map[string]bool)
		}
		b.news.active[camera] = on
	})
}

func (b *mailbox) put(f func()) {
	b.mu.Lock()
	f()
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take empties the mailbox.
func (b *mailbox) take() news {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.news
	b.news, b.in = news{}, nil
	return n
}
