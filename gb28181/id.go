// Package gb28181 is the vocabulary of GB/T 28181: 20-digit codes, front-end
// control instructions, times, character sets and SSRCs. It does no I/O.
package gb28181

import "fmt"

// ID is a GB/T 28181 code (2022 Annex E.1): 20 decimal digits that name a
// platform, a device or a channel. It is text, never a number.
//
// Our own codes come from ParseID. A code that a superior sent may be anything
// (districts have 2 to 8 digits, some platforms use other lengths), so every
// method works on any text and returns the zero value where the text is too short.
type ID string

// ParseID checks that s is exactly 20 decimal digits.
func ParseID(s string) (ID, error) {
	if len(s) != 20 {
		return "", fmt.Errorf("%q: a GB/T 28181 code has 20 digits, this has %d characters", s, len(s))
	}
	if !digits(s) {
		return "", fmt.Errorf("%q: a GB/T 28181 code has digits only", s)
	}
	return ID(s), nil
}

// Valid tells whether id is exactly 20 decimal digits.
func (id ID) Valid() bool { return len(id) == 20 && digits(string(id)) }

// Type returns digits 11 to 13, or 0 when id is not a 20-digit code.
func (id ID) Type() TypeCode {
	if !id.Valid() {
		return 0
	}
	return TypeCode(id[10]-'0')*100 + TypeCode(id[11]-'0')*10 + TypeCode(id[12]-'0')
}

// CivilCode returns digits 1 to 6, the county of the administrative division
// (GB/T 2260), or the whole of a shorter district code.
func (id ID) CivilCode() string { return id.prefix(6) }

// Domain returns digits 1 to 10, which are the SIP domain of a server (2022 §6.1.2).
func (id ID) Domain() string { return id.prefix(10) }

// Industry returns digits 9 and 10, or "" when id is not a 20-digit code.
func (id ID) Industry() string {
	if !id.Valid() {
		return ""
	}
	return string(id[8:10])
}

// Network returns digit 14 (the network identifier), or "" when id is not a 20-digit code.
func (id ID) Network() string {
	if !id.Valid() {
		return ""
	}
	return string(id[13:14])
}

// Serial returns digits 15 to 20, or "" when id is not a 20-digit code.
func (id ID) Serial() string {
	if !id.Valid() {
		return ""
	}
	return string(id[14:])
}

// IsCamera tells whether id names a camera (131 analog, 132 network).
func (id ID) IsCamera() bool { return id.Type() == TypeCamera || id.Type() == TypeIPC }

// IsRecorder tells whether id names a device that brings cameras of its own (111, 113, 118, 130 …).
func (id ID) IsRecorder() bool {
	switch id.Type() {
	case TypeDVR, TypeVideoServer, TypeEncoder, TypeNVR, TypeHVR:
		return true
	default:
		return false
	}
}

// IsSystem tells whether id names a platform (200, the SIP signalling server).
func (id ID) IsSystem() bool { return id.Type() == TypeServer }

// IsGroup tells whether id names a business group (215) or a virtual organisation (216).
func (id ID) IsGroup() bool {
	return id.Type() == TypeBusinessGroup || id.Type() == TypeVirtualOrg
}

// IsDistrict tells whether id is an administrative district: 2, 4, 6 or 8 digits.
func (id ID) IsDistrict() bool {
	switch len(id) {
	case 2, 4, 6, 8:
		return digits(string(id))
	default:
		return false
	}
}

func (id ID) prefix(n int) string { return string(id[:min(n, len(id))]) }

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
