package rtsp

import "bytes"

// Bounds on what a peer may send as one thing.
const (
	maxHeader    = 64 << 10
	maxBody      = 256 << 10
	maxNoise     = 1 << 20 // bytes in a row that are neither message nor frame
	maxStartLine = 2048
	maxFrame     = 4 + 0xffff // an interleaved frame with its prefix (RFC 2326, 10.12)
)

// piece is what stands at the front of the inbound bytes.
type piece uint8

const (
	pieceMore    piece = iota // not enough bytes to tell
	pieceJunk                 // bytes that mean nothing
	pieceFrame                // an interleaved frame
	pieceMessage              // the header block of a message, complete
	pieceEndless              // a header block longer than any camera's
)

// channelUse tells which interleaved channels were agreed in SETUP.
type channelUse [256]bool

// classify tells what b starts with and how many bytes that is. b is not empty. scanned is how far an
// earlier call already looked for the end of the same header block; it is moved on.
//
// Cameras put stray bytes between frames, cut frames short and drop RTSP text into the middle, so a
// frame is believed only on a channel in use, with at least 8 bytes and RTP version 2 (RTCP has it too).
func classify(b []byte, used *channelUse, scanned *int) (piece, int) {
	switch {
	case b[0] == '$':
		return classifyFrame(b, used)
	case mayStartMessage(b[0]):
		return classifyMessage(b, scanned)
	}
	return pieceJunk, junkLength(b)
}

// junkLength returns how many bytes stand before the next byte that can start something.
func junkLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		if b[i] == '$' || mayStartMessage(b[i]) {
			return i
		}
	}
	return len(b)
}

func classifyFrame(b []byte, used *channelUse) (piece, int) {
	if len(b) < 5 {
		return pieceMore, 0
	}
	size := 4 + int(b[2])<<8 + int(b[3])
	if size < 4+8 || b[4]>>6 != 2 {
		return pieceJunk, junkLength(b)
	}
	known := used[b[1]]
	if len(b) < size || !known && len(b) == size {
		return pieceMore, 0
	}
	if len(b) == size || mayFollowFrame(b[size]) {
		return pieceFrame, size // of a channel not in use too: the caller drops it
	}
	if !known {
		return pieceJunk, junkLength(b)
	}
	// What follows is nothing, so this frame may have been cut short and have swallowed the next.
	for i := 5; i+5 <= size; i++ {
		if b[i] != '$' || !used[b[i+1]] || b[i+4]>>6 != 2 {
			continue
		}
		next := i + 4 + int(b[i+2])<<8 + int(b[i+3])
		if next >= i+4+8 && next < len(b) && mayFollowFrame(b[next]) {
			return pieceJunk, i
		}
	}
	return pieceFrame, size
}

// mayStartMessage tells whether a message can begin with c: "RTSP/1.0" or a method of RFC 2326.
func mayStartMessage(c byte) bool {
	switch c {
	case 'R', 'O', 'A', 'D', 'G', 'S', 'P', 'T':
		return true
	}
	return false
}

func mayFollowFrame(c byte) bool {
	return c == '$' || c == '\r' || c == '\n' || mayStartMessage(c)
}

// classifyMessage looks for a start line and the empty line that ends its header block.
func classifyMessage(b []byte, scanned *int) (piece, int) {
	if *scanned == 0 {
		switch ok, more := startLine(b); {
		case more:
			return pieceMore, 0
		case !ok:
			return pieceJunk, junkLength(b)
		}
	}
	for i := *scanned; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\n':
			rest := b[i+1:]
			if bytes.HasPrefix(rest, []byte("\r\n")) {
				return pieceMessage, i + 3
			}
			if len(rest) > 0 && rest[0] == '\n' {
				return pieceMessage, i + 2
			}
			if len(rest) < 2 {
				*scanned = i
				return moreHeader(b)
			}
		case c < ' ' && c != '\r' && c != '\t':
			return pieceJunk, junkLength(b) // text in the middle of media, cut off by it
		}
	}
	*scanned = len(b)
	return moreHeader(b)
}

func moreHeader(b []byte) (piece, int) {
	if len(b) > maxHeader {
		return pieceEndless, len(b)
	}
	return pieceMore, 0
}

// startLine tells whether b begins with a start line; more: it cannot be told yet.
func startLine(b []byte) (ok, more bool) {
	end := bytes.IndexByte(b[:min(len(b), maxStartLine)], '\n')
	line := b[:max(end, 0)]
	if end < 0 {
		if len(b) >= maxStartLine {
			return false, false
		}
		line = b
	}
	for _, c := range line {
		if c < ' ' && c != '\r' {
			return false, false
		}
	}
	if end < 0 {
		return false, mayBecomeStartLine(line)
	}
	_, ok = parseStartLine(string(line))
	return ok, false
}

// mayBecomeStartLine keeps media that happens to begin with a letter from being waited on.
func mayBecomeStartLine(line []byte) bool {
	word, _, whole := bytes.Cut(line, []byte{' '})
	if bytes.HasPrefix(word, []byte("RTSP/")) || !whole && bytes.HasPrefix([]byte("RTSP/"), word) {
		return true
	}
	if whole {
		return isMethod(string(word))
	}
	for _, m := range methods() {
		if len(word) <= len(m) && m[:len(word)] == string(word) {
			return true
		}
	}
	return false
}

func methods() [11]string {
	return [...]string{
		"OPTIONS", "DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "PAUSE",
		"TEARDOWN", "GET_PARAMETER", "SET_PARAMETER", "REDIRECT", "RECORD",
	}
}

func isMethod(word string) bool {
	for _, m := range methods() {
		if m == word {
			return true
		}
	}
	return false
}
