package sheet

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

var (
	formula    = regexp.MustCompile(`^=\s*"([^"]*)"$`)           //nolint:gochecknoglobals // compiled once
	scientific = regexp.MustCompile(`^\d+([.,]\d+)?[eE]\+?\d+$`) //nolint:gochecknoglobals // compiled once
	wholeFloat = regexp.MustCompile(`^(\d+)\.0+$`)               //nolint:gochecknoglobals // compiled once
)

// exactDigits is how many digits of a number Excel keeps (IEEE 754 binary64).
const exactDigits = 15

// ErrDigitsLost tells that a code was stored as a number, which keeps 15 of its 20 digits.
var ErrDigitsLost = errors.New("its last digits are lost: Excel has made a number of it; " +
	"format the column as text and fill the codes in again")

// Code cleans a cell that holds a code: it undoes what keeps Excel from making a number of it (an
// apostrophe, ="…"), full-width digits and blanks. ErrDigitsLost comes back when it is too late.
func (c Cell) Code() (string, error) {
	text := c.Clean()
	plain := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	if scientific.MatchString(plain) {
		return plain, fmt.Errorf("%s: %w", plain, ErrDigitsLost)
	}
	if m := wholeFloat.FindStringSubmatch(plain); m != nil {
		plain = m[1]
	}
	if c.Number && len(plain) > exactDigits {
		return plain, fmt.Errorf("%s is stored as a number: %w", plain, ErrDigitsLost)
	}
	return plain, nil
}

// Clean returns the text of a cell without what is only there for Excel's sake.
func (c Cell) Clean() string {
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '\u200b' || r == '\u200e' || r == '\u200f' || r == '\ufeff' || r == '\u2060':
			return -1 // zero width: copied along from web pages
		case r >= '０' && r <= '９':
			return r - '０' + '0'
		}
		return r
	}, c.Text)
	text = strings.TrimSpace(text)
	if m := formula.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	return strings.TrimSpace(strings.TrimLeft(text, "'‘’`"))
}

// looksLikeCode tells whether a cell may be meant as a code, be it a damaged one.
func (c Cell) looksLikeCode() bool {
	code, err := c.Code()
	if err != nil {
		return true
	}
	digits := 0
	for _, r := range code {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	return digits >= 15 && len(code) <= 24
}

// Rounded tells whether a code ends as one does that was a number once: 15 digits and five zeros.
func Rounded(code string) bool { return len(code) == 20 && strings.HasSuffix(code, "00000") }
