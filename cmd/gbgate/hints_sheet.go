package main

import (
	"fmt"
	"strings"

	"gbgate/cmd/gbgate/config"
)

// sheetHints tells what looks like a slip in copying the platform's sheet or a camera's password. None of it is a
// fault: there are platforms with such codes, and passwords with blanks.
func sheetHints(cfg *config.Config) []hintDoc {
	hints := []hintDoc{}
	add := func(table, name, key, have, want, reason, fix string) {
		hints = append(hints, hintDoc{
			Key: fmt.Sprintf("%s %q %s", table, name, key), Have: have, Want: want, Reason: reason, Fix: fix,
		})
	}
	password := func(table, name string, text *string) {
		if text != nil && *text != strings.TrimSpace(*text) {
			add(table, name, "password", "with a blank at its beginning or end", "without",
				"a blank copied along makes it wrong, unless it does belong to it", `password = "…", without the blank`)
		}
		if text != nil && strings.ContainsFunc(*text, func(r rune) bool { return r < ' ' || r > '~' }) {
			add(table, name, "password", "with a character that is not ASCII (full-width, Chinese, a curly quote, a tab)",
				"of ASCII alone", "an input method slips such in, and devices disagree about how they are sent",
				"type the password anew with the input method off, or set one of ASCII alone")
		}
	}
	for _, s := range cfg.Superiors {
		fix := fmt.Sprintf("compare the id of [[superior]] %q with the sheet", s.Name)
		switch {
		case s.ID == s.NodeID:
			add("superior", s.Name, "id", "our own code", "the platform's",
				"the sheet has two codes: the platform's (SIP server) and ours (device, lower platform)", fix)
		case len(s.ID) != 20 || strings.Trim(s.ID, "0123456789") != "":
			add("superior", s.Name, "id", fmt.Sprintf("%q (%d characters)", s.ID, len(s.ID)), "20 digits",
				"nearly every platform has a code of 20 digits, and leaves a REGISTER to another one unanswered or refuses it", fix)
		case s.ID[10:11] != "2":
			add("superior", s.Name, "id", fmt.Sprintf("%q, of type %s", s.ID, s.ID[10:13]), "of type 200",
				"digits 11–13 say what it is, and a platform is 200; this may be the code of something else on the sheet", fix)
		}
		if !strings.HasPrefix(s.ID, s.Domain) {
			add("superior", s.Name, "domain", fmt.Sprintf("%q", s.Domain),
				fmt.Sprintf("the beginning of id (%q)", s.ID[:min(10, len(s.ID))]),
				"platforms refuse, or leave unanswered, what comes for another domain",
				"leave domain out, unless it stands on the sheet like that")
		}
		password("superior", s.Name, s.Password)
	}
	first := map[string]string{} // by stream: the first camera that has it
	for _, c := range cfg.Cameras {
		password("camera", c.Name, c.Password)
		stream := fmt.Sprint(c.URL, " ", c.ONVIF, " ", c.ONVIFChannel)
		if other, again := first[stream]; again {
			add("camera", c.Name, "url", fmt.Sprintf("the very stream of camera %q", other), "its own",
				"a block that was copied shows one camera under two codes", fmt.Sprintf("change url or onvif of [[camera]] %q, "+
					"or remove the block", c.Name))
			continue
		}
		first[stream] = c.Name
	}
	return hints
}
