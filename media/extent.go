package media

// Extent counts what a span of stored media holds, without its containers: enough to tell how big it gets in
// another one.
type Extent struct {
	VideoUnits int // pictures, KeyUnits among them
	AudioUnits int
	KeyUnits   int
	VideoBytes int64 // of the units' Data
	AudioBytes int64
}

// Add returns both together.
func (e Extent) Add(o Extent) Extent {
	return Extent{
		VideoUnits: e.VideoUnits + o.VideoUnits, AudioUnits: e.AudioUnits + o.AudioUnits, KeyUnits: e.KeyUnits + o.KeyUnits,
		VideoBytes: e.VideoBytes + o.VideoBytes, AudioBytes: e.AudioBytes + o.AudioBytes,
	}
}
