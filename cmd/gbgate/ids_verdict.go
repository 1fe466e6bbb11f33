package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gbgate/bridge/idstore"
	"gbgate/cmd/gbgate/sheet"
	"gbgate/gb28181"
)

// idsRowDoc is the verdict on one row of a sheet.
type idsRowDoc struct {
	Row     int    `json:"row"`
	Code    string `json:"code"`
	Name    string `json:"name,omitempty"`
	Kind    string `json:"kind,omitempty"` // camera, node, group …
	Verdict string `json:"verdict"`
	State   string `json:"state,omitempty"` // new | known (imported before) | used
	Owner   string `json:"owner,omitempty"` // who uses it
	Reason  string `json:"reason,omitempty"`
}

// maxRange bounds how many codes one row may stand for.
const maxRange = 10_000

// judge tells good rows of a sheet from bad ones.
type judge struct {
	store  *idstore.Store
	owners map[string]codeOwner
	block  []span // where codes may lie; none: anywhere
	rows   []idsRowDoc
	first  map[string]int // code → index of its first row
}

// judgeRows returns a verdict for every entry of a sheet, in its order.
func judgeRows(entries []sheet.Entry, s *idstore.Store, owners map[string]codeOwner, block []span) []idsRowDoc {
	j := judge{store: s, owners: owners, block: block, first: map[string]int{}}
	for _, e := range entries {
		j.entry(e)
	}
	if len(block) == 0 {
		j.strays()
	}
	return j.rows
}

// entry judges one row, or each code of a row that is a range.
func (j *judge) entry(e sheet.Entry) {
	if e.To == "" || e.Err != nil {
		j.code(e.Row, e.Code, e.Name, e.Err)
		return
	}
	codes, err := expand(e.Code, e.To)
	if err != nil {
		j.rows = append(j.rows, idsRowDoc{Row: e.Row, Code: e.Code + "–" + e.To, Verdict: bad, Reason: err.Error()})
	}
	for _, code := range codes {
		j.code(e.Row, code, "", nil) // the name is the range's
	}
}

func (j *judge) code(row int, code, name string, lost error) {
	d := idsRowDoc{Row: row, Code: code, Name: name, Verdict: good, State: "new"}
	kind, reason := kindOfCode(code, lost)
	d.Kind = kind
	if reason == "" {
		reason = j.place(&d)
	}
	if n, dup := j.first[code]; dup && lost == nil && code != "" {
		reason = j.twice(n, &d)
	} else {
		j.first[code] = len(j.rows)
	}
	if reason != "" {
		d.Verdict, d.State, d.Reason = bad, "", reason
	}
	j.rows = append(j.rows, d)
}

// kindOfCode tells what a code is for, or what is wrong with its form (GB/T 28181-2022 annex E).
func kindOfCode(code string, lost error) (kind, reason string) {
	notDigit := strings.IndexFunc(code, func(r rune) bool { return r < '0' || r > '9' })
	switch {
	case lost != nil:
		return "", lost.Error()
	case code == "":
		return "", "there is no code in this row"
	case notDigit >= 0:
		return "", fmt.Sprintf("has a character that is no digit: %q", []rune(code[notDigit:])[0])
	case len(code) == 18:
		return "", "has 18 digits; the short form was dropped in 2022, ask for the code of 20"
	case len(code) != 20:
		return "", fmt.Sprintf("has %d digits, not 20", len(code))
	}
	id := gb28181.ID(code)
	switch kind := id.Type(); {
	case id.IsCamera() && sheet.Rounded(code):
		return "camera", "ends in five zeros, as Excel leaves a number of 20 digits: " + sheet.ErrDigitsLost.Error()
	case id.IsCamera():
		return "camera", ""
	case id.IsGroup():
		return "group", ""
	case id.IsSystem() || kind >= 111 && kind <= 130:
		return "node", ""
	case kind >= gb28181.TypeDisplay && kind < 200:
		return kind.String(), ""
	default:
		return "", fmt.Sprintf("digits 11–13 are %s (%v): no camera (131, 132), node (200, 118 …) or group (215, 216)",
			code[10:13], kind)
	}
}

// place says where a well-formed code stands: outside the block, used, known or new.
func (j *judge) place(d *idsRowDoc) (reason string) {
	if len(j.block) > 0 && !slices.ContainsFunc(j.block, func(s span) bool { return s.has(d.Code) }) {
		return "is outside the block"
	}
	owner, used := j.owners[d.Code]
	_, known := j.store.InBlock(d.Code)
	switch {
	case used:
		d.State, d.Owner = "used", owner.what
		same := func(name string) bool { return idstore.SameName(name, d.Name) }
		if d.Name != "" && len(owner.names) > 0 && !slices.ContainsFunc(owner.names, same) {
			return fmt.Sprintf("is already used by %s (%s), the sheet gives it to %s", owner.what, owner.names[0], d.Name)
		}
	case known:
		d.State = "known"
	}
	return ""
}

// twice judges a code that an earlier row has, too. Where the names differ nobody can tell which
// row is right, so both are bad.
func (j *judge) twice(n int, d *idsRowDoc) (reason string) {
	first := &j.rows[n]
	if idstore.SameName(first.Name, d.Name) {
		return fmt.Sprintf("stands in row %d already", first.Row)
	}
	reason = fmt.Sprintf("rows %d (%s) and %d (%s) have the same code", first.Row, dash(first.Name), d.Row, dash(d.Name))
	if first.Verdict == good {
		first.Verdict, first.State, first.Reason = bad, "", reason
	}
	return reason
}

// strays finds the few codes that begin otherwise than the rest: nearly always a slip of the pen.
func (j *judge) strays() {
	begins, all := map[string]int{}, 0
	for _, d := range j.rows {
		if d.Verdict == good {
			begins[d.Code[:8]]++
			all++
		}
	}
	for prefix, n := range begins {
		if all < 5 || n*10 < all*8 || n == all {
			continue
		}
		for i := range j.rows {
			if d := &j.rows[i]; d.Verdict == good && !strings.HasPrefix(d.Code, prefix) {
				d.Verdict, d.State = bad, ""
				d.Reason = fmt.Sprintf("is outside the block: %d of %d codes begin with %s; if it is right, give --block %s,%s",
					n, all, prefix, prefix, d.Code[:8])
			}
		}
	}
}

// span is a part of a block: the codes from one to another, or with a prefix (then both are it).
type span struct{ from, to string }

func (s span) has(code string) bool {
	n := len(s.from)
	return len(code) >= n && code[:n] >= s.from && code[:n] <= s.to
}

// parseBlock reads --block: prefixes and ranges with commas between them.
func parseBlock(text string) ([]span, error) {
	var block []span
	for part := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			to = from
		}
		digits := strings.IndexFunc(from+to, func(r rune) bool { return r < '0' || r > '9' }) < 0
		if from == "" || !digits || len(from) != len(to) || len(from) > 20 || from > to {
			return nil, fmt.Errorf("--block: %q is no prefix such as 34020100 and no range FIRST-LAST of codes", part)
		}
		block = append(block, span{from, to})
	}
	return block, nil
}

// expand lists the codes of a range, which differ in their serial number (digits 15–20) only.
func expand(from, to string) ([]string, error) {
	for _, code := range []string{from, to} {
		if _, reason := kindOfCode(code, nil); reason != "" {
			return nil, fmt.Errorf("%s %s", dash(code), reason)
		}
	}
	if from[:14] != to[:14] || from > to {
		return nil, errors.New("is no range: the first 14 digits must be the same, and the last code not below the first")
	}
	low, _ := strconv.Atoi(from[14:]) // six digits
	high, _ := strconv.Atoi(to[14:])
	if high-low >= maxRange {
		return nil, fmt.Errorf("is a range of %d codes; a block has at most %d", high-low+1, maxRange)
	}
	codes := make([]string, 0, high-low+1)
	for n := low; n <= high; n++ {
		codes = append(codes, fmt.Sprintf("%s%06d", from[:14], n))
	}
	return codes, nil
}
