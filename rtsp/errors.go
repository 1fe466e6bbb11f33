package rtsp

// Kind tells what went wrong with a camera, so that a caller can choose how to go on.
type Kind uint8

// The kinds of failure, in the order a session can meet them.
const (
	Unreachable Kind = iota + 1 // no way to the host: no route, no answer, unknown name
	Refused                     // the host answers, but nobody listens on the port
	Auth                        // user name or password missing or refused
	NotFound                    // the camera has no such stream
	Busy                        // no session or bandwidth left in the camera
	NoVideo                     // no stream that GB/T 28181 can carry
	NoFrames                    // RTSP works, pictures do not come
	Protocol                    // the peer says what RTSP does not allow, or nothing at all
	Closed                      // the camera ended a session that had been up
)

// Error is every failure of a Source. Its text is made for an operator.
type Error struct {
	Kind Kind
	Text string // what happened, in plain words
	Err  error  // what it came from; may be nil
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Unwrap returns what the failure came from.
func (e *Error) Unwrap() error { return e.Err }
