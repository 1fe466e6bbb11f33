package cascade

import (
	"context"
	"errors"
	"io"
	"sync"
)

// keepsake is what the calls of one dialog hand on to each other: the media's socket, most often.
type keepsake struct {
	mu   sync.Mutex
	held io.Closer
}

// swap puts another thing in the place of the one that is kept, and closes that.
func (k *keepsake) swap(c io.Closer) {
	k.mu.Lock()
	was := k.held
	k.held = c
	k.mu.Unlock()
	if was != nil && was != c {
		_ = was.Close()
	}
}

// Kept is what the call before this one in the dialog gave to Keep; nil for the first INVITE. It is still in use until
// Answer has returned, and a little longer.
func (c *Call) Kept() io.Closer {
	c.kept.mu.Lock()
	defer c.kept.mu.Unlock()
	return c.kept.held
}

// Keep leaves k to the dialog, which hands it on when a re-INVITE moves or holds the media, and closes it at its end
// or when another thing is kept. To be called after Answer.
func (c *Call) Keep(k io.Closer) { c.kept.swap(k) }

// letGo closes what is kept when the dialog is over, which it is not for media that were moved or held, nor after a
// re-INVITE that was refused.
func (c *Call) letGo() {
	c.mu.Lock()
	refused := c.state == Offered && c.replaces != nil
	c.mu.Unlock()
	if refused || errors.Is(context.Cause(c.ctx), errReinvited) {
		return
	}
	c.kept.swap(nil)
}
