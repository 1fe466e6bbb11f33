package record

import "time"

// lossPause is how long losses are added up after one was told: a slow disk loses some with every group of pictures.
const lossPause = time.Minute

// loss is what a slow disk has cost and nobody was told of yet.
type loss struct {
	frames uint64
	told   time.Time
}

// due takes what is to be told now: the first loss at once, then a sum each minute.
func (l *loss) due(now time.Time) (frames uint64) {
	if l.frames == 0 || !l.told.IsZero() && now.Sub(l.told) < lossPause {
		return 0
	}
	frames, l.frames, l.told = l.frames, 0, now
	return frames
}

// lag notes how many units the reader has dropped because the disk was too slow.
func (r *Recorder) lag(dropped uint64) {
	r.mu.Lock()
	r.loss.frames += dropped - r.lagged
	r.lagged = dropped
	frames := r.loss.due(time.Now())
	r.mu.Unlock()
	if frames > 0 {
		r.log.Warn("disk is too slow, pictures are not recorded", "frames", frames)
	}
}
