package playback

const (
	OvertakeWithin = overtakeWithin
	Shortest       = shortest
)

// Without is what of a list is not among what was taken.
func Without(list, taken []Recording) []Recording {
	line := make([]piece, len(taken))
	for i, r := range taken {
		line[i].Recording = r
	}
	return without(list, covered(line))
}
