package idstore

// Origin says where a camera's code comes from.
type Origin uint8

// The origins.
const (
	None  Origin = iota // it has no code
	Given               // the configuration gives it
	Kept                // the store knew it
	New                 // it was assigned just now
)

// String returns the origin in lower case, as in JSON.
func (o Origin) String() string {
	switch o {
	case Given:
		return "file"
	case Kept:
		return "kept"
	case New:
		return "new"
	default:
		return "none"
	}
}
