package gb28181

import (
	"strconv"
	"strings"
)

// VersionHeader is the SIP header that names the edition, in a REGISTER and its responses (2022 Annex I).
const VersionHeader = "X-GB-Ver"

// Edition is the edition of GB/T 28181 that a peer speaks.
type Edition uint8

// The editions whose messages differ for us. Peers of 2011 are served as 2016.
const (
	Edition2016 Edition = iota // X-GB-Ver 1.0, 1.1, 2.0 or none
	Edition2022                // X-GB-Ver 3.0
)

// ParseEdition reads the X-GB-Ver header (2022 Annex I: 1.0, 1.1, 2.0, 3.0) or
// a year (2011, 2014, 2016, 2022); a later version counts as 2022. ok is false
// for anything else, also for a missing header.
func ParseEdition(s string) (e Edition, ok bool) {
	switch s = strings.TrimSpace(s); s {
	case "2022":
		return Edition2022, true
	case "2011", "2014", "2016":
		return Edition2016, true
	}
	version, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || !(version >= 1 && version < 100):
		return Edition2016, false
	case version >= 3:
		return Edition2022, true
	}
	return Edition2016, true
}

// EditionOf returns the edition of a peer that sent this X-GB-Ver header, or
// the assumed one when it sent none that makes sense.
func EditionOf(version string, assumed Edition) Edition {
	if e, ok := ParseEdition(version); ok {
		return e
	}
	return assumed
}

// Version returns the X-GB-Ver value of the edition.
func (e Edition) Version() string {
	if e == Edition2022 {
		return "3.0"
	}
	return "2.0"
}

// Charset returns the encoding that the edition declares: GB 18030 is a "shall"
// of 2022 §6.10, GB 2312 what the parsers of 2016 platforms know.
func (e Edition) Charset() Charset {
	if e == Edition2022 {
		return GB18030
	}
	return GB2312
}

// String returns the year.
func (e Edition) String() string {
	if e == Edition2022 {
		return "2022"
	}
	return "2016"
}
