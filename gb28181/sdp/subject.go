package sdp

import "strings"

// Subject is the Subject header of an INVITE (2022 Annex L):
// sender:serial,receiver:receiver's serial.
//
// Platforms agree on the sender only: SRS names the device there, gb-cms puts
// the device into the sender's serial, gowvp and panjjo/gosip write serials of their own.
type Subject struct {
	Sender         string // code of the channel that sends the media
	SenderSerial   string
	Receiver       string
	ReceiverSerial string
}

// ParseSubject reads a Subject header; parts that are missing are "".
func ParseSubject(text string) Subject {
	first, second, _ := strings.Cut(text, ",")
	var s Subject
	s.Sender, s.SenderSerial = subjectPart(first)
	s.Receiver, s.ReceiverSerial = subjectPart(second)
	return s
}

// String returns the header value.
func (s Subject) String() string {
	return s.Sender + ":" + s.SenderSerial + "," + s.Receiver + ":" + s.ReceiverSerial
}

func subjectPart(text string) (code, serial string) {
	code, serial, _ = strings.Cut(text, ":")
	return strings.TrimSpace(code), strings.TrimSpace(serial)
}
