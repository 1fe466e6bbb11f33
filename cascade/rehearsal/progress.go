package rehearsal

import (
	"time"

	"gbgate/media"
)

// Progress is what came of a stream since a mark.
type Progress struct {
	Since       time.Time // the mark
	Wall        time.Duration
	Pictures    int
	KeyPictures int
	AudioFrames int
	First       time.Time     // when the first picture was there; zero: none came
	FirstKey    time.Time     // when the first key picture was there
	Last        time.Time     // when the last one was there
	Media       time.Duration // from the first picture to the last, by their time stamps
	Step        time.Duration // from the last picture before the mark to the first behind it, by their time stamps
	LongestStep time.Duration // between pictures behind the mark
}

// Speed is how much stream time went by in a second: 0 where fewer than two pictures came.
func (p Progress) Speed() float64 {
	if p.Pictures < 2 || !p.Last.After(p.First) {
		return 0
	}
	return p.Media.Seconds() / p.Last.Sub(p.First).Seconds()
}

// stretch gathers a Progress.
type stretch struct {
	Progress
	firstDTS int64
	audio    int // frames in all at the mark
}

// picture notes a picture; before is the DTS of the one before it.
func (s *stretch) picture(before, dts int64, key bool, at time.Time, first bool) {
	step := media.Duration(dts - before)
	switch {
	case s.Pictures == 0:
		s.First, s.firstDTS = at, dts
		if !first {
			s.Step = step
		}
	default:
		s.LongestStep = max(s.LongestStep, step)
	}
	s.Pictures++
	if key {
		if s.KeyPictures == 0 {
			s.FirstKey = at
		}
		s.KeyPictures++
	}
	s.Last, s.Media = at, media.Duration(dts-s.firstDTS)
}

func (c *checker) progress(now time.Time) Progress {
	p := c.stretch.Progress
	p.AudioFrames = c.report.AudioFrames - c.stretch.audio
	if !p.Since.IsZero() {
		p.Wall = now.Sub(p.Since)
	}
	return p
}

func (c *checker) mark(now time.Time) Progress {
	p := c.progress(now)
	c.stretch = stretch{Progress: Progress{Since: now}, audio: c.report.AudioFrames}
	return p
}
