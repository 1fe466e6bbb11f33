package gb28181

import (
	"fmt"
	"strconv"
)

// SSRCKind is the first digit of an SSRC (2022 Annex G, y= line).
type SSRCKind uint8

// The kinds of media an SSRC is made for.
const (
	SSRCLive    SSRCKind = 0
	SSRCHistory SSRCKind = 1 // playback and download
)

// FormatSSRC returns the ten decimal digits of a y= line.
func FormatSSRC(ssrc uint32) string { return fmt.Sprintf("%010d", ssrc) }

// ParseSSRC reads a y= line: the number that the decimal digits in it make, low
// 32 bits. ok is false when there is no usable SSRC: no digit, more than 20, or zero.
func ParseSSRC(y string) (ssrc uint32, ok bool) {
	kept := make([]byte, 0, 20)
	for i := range len(y) {
		if y[i] >= '0' && y[i] <= '9' {
			kept = append(kept, y[i])
		}
		if len(kept) > 20 {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(kept), 10, 64)
	if err != nil {
		return 0, false
	}
	return uint32(n), uint32(n) != 0
}

// NewSSRC builds an SSRC from its kind, digits 4 to 8 of the SIP domain (a
// 10-digit domain or any code that begins with it; anything shorter gives
// 00000) and serial, of which the last four digits count.
func NewSSRC(kind SSRCKind, domain string, serial uint32) uint32 {
	var section uint32
	if len(domain) >= 8 && digits(domain[3:8]) {
		for _, d := range []byte(domain[3:8]) {
			section = section*10 + uint32(d-'0')
		}
	}
	return uint32(kind)*1_000_000_000 + section*10_000 + serial%10_000
}
