package simcam

import (
	"slices"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
)

// maxHeard bounds what a loudspeaker remembers: a minute of G.711.
const maxHeard = 60 * 8000

// sound is what came to the loudspeaker.
type sound struct {
	mu          sync.Mutex
	samples     []byte
	packets     int
	first, last time.Time
}

func newSpeaker() *description.Media {
	return &description.Media{
		Type: description.MediaTypeAudio, IsBackChannel: true,
		Formats: []format.Format{&format.G711{PayloadTyp: 0, MULaw: true, SampleRate: 8000, ChannelCount: 1}},
	}
}

// listen takes what a session sends to the loudspeaker.
func (c *Camera) listen(session *gortsplib.ServerSession) {
	if !slices.Contains(session.SetuppedMedias(), c.speaker) {
		return
	}
	session.OnPacketRTP(c.speaker, c.speaker.Formats[0], func(p *rtp.Packet) {
		c.heard.mu.Lock()
		defer c.heard.mu.Unlock()
		if c.heard.last = time.Now(); c.heard.packets == 0 {
			c.heard.first = c.heard.last
		}
		c.heard.packets++
		if len(c.heard.samples) < maxHeard {
			c.heard.samples = append(c.heard.samples, p.Payload...)
		}
	})
}

// Heard returns the samples that came to the loudspeaker, in how many packets, and over how long a time.
func (c *Camera) Heard() (samples []byte, packets int, took time.Duration) {
	c.heard.mu.Lock()
	defer c.heard.mu.Unlock()
	return slices.Clone(c.heard.samples), c.heard.packets, c.heard.last.Sub(c.heard.first)
}
