package sipua

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/google/go-cmp/cmp"
)

const (
	startLine = "MESSAGE " + uriText + " SIP/2.0"
	uriText   = "sip:34020000001110000001@3402000000"
)

// sample is a plain MESSAGE; tests put oddities into it.
const sample = startLine + "\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.2:15061;rport;branch=z9hG4bK1\r\n" +
	"From: <sip:34020000002000000001@3402000000>;tag=ft\r\n" +
	"To: <sip:34020000001110000001@3402000000>;tag=tt\r\n" +
	"Call-ID: c1\r\n" +
	"CSeq: 7 MESSAGE\r\n" +
	"Content-Type: text/plain\r\n" +
	"Content-Length: 6\r\n\r\n" +
	"a\r\nb\r\n"

func swap(old, with string) string { return strings.Replace(sample, old, with, 1) }

func TestRepairKeepsMeaning(t *testing.T) {
	tests := map[string]string{
		"as it should be":          sample,
		"CRLF before":              "\r\n\r\n" + sample,
		"LF only":                  strings.Replace(sample, "\r\n", "\n", 9),
		"length too large":         swap("Content-Length: 6", "Content-Length: 600"),
		"length counts characters": swap("Content-Length: 6", "Content-Length: 4"),
		"length missing":           swap("Content-Length: 6\r\n", ""),
		"length twice":             swap("Content-Length: 6", "Content-Length: 0\r\nl: 6"),
		"NULs behind":              sample + "\x00\x00\x00",
		"line without colon":       swap("Call-ID", "X-Odd thing\r\nCall-ID"),
		"name with blanks":         swap("Call-ID", "X Odd: y\r\nCall-ID"),
		"blank before colon":       swap("Call-ID:", "Call-ID  :"),
		"blank around tag":         swap(";tag=ft", " ; tag = ft"),
		"tag upper case":           swap(";tag=ft", ";TAG=ft"),
		"blank around Via's":       swap(":15061;rport;branch", " :15061 ; rport ; branch"),
		"blanks in Via's protocol": swap("SIP/2.0/UDP ", "SIP / 2.0 / UDP   "),
		"compact names": strings.NewReplacer("Via:", "v:", "From:", "f:", "To:", "t:", "Call-ID:", "i:",
			"Content-Type:", "c:", "Content-Length:", "l:").Replace(sample),
		"start line blanks":  swap(startLine, "  MESSAGE  "+uriText+"   SIP/2.0 "),
		"method lower case":  swap("MESSAGE sip", "message sip"),
		"URI in brackets":    swap(uriText, "<"+uriText+">"),
		"URI without scheme": swap(uriText, uriText[4:]),
		"From without <>":    swap("<sip:34020000002000000001@3402000000>", "sip:34020000002000000001@3402000000"),
		"From no scheme":     swap("<sip:34020000002000000001@3402000000>", "<34020000002000000001@3402000000>"),
		"GBK display name":   swap("From: <", "From: \"\xd5\x5c\" <"),
		"ASCII display name": swap("From: <", "From: \"gowvp\" <"),
		"CSeq blanks":        swap("CSeq: 7 MESSAGE", "CSeq:  7   MESSAGE"),
		"folded":             swap("From: <sip", "From:\r\n <sip"),
		"From twice":         swap("To: ", "From: <sip:x@y>;tag=zz\r\nTo: "),
		"empty Max-Forwards": swap("Call-ID", "Max-Forwards:\r\nContact: \r\nCall-ID"),
		"odd Max-Forwards":   swap("Call-ID", "Max-Forwards: many\r\nCall-ID"),
		"odd Contact":        swap("Call-ID", "Contact: ;;<\r\nCall-ID"),
		"CR in a value":      swap("text/plain", "text\r/plain"),
	}
	p := newParser()
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := repair([]byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			msg, err := p.ParseSIP(text)
			if err != nil {
				t.Fatalf("parse: %v\n%s", err, text)
			}
			r := decodeRequest(msg.(*sip.Request))
			got := []any{
				r.Method, r.URI.String(), r.From.URI.String(), r.From.Tag, r.To.Tag, r.CallID, r.CSeq, r.Branch,
				msg.CSeq().MethodName.String(), msg.Via().Host, msg.Via().Port, msg.Via().Params.Has("rport"),
				r.ContentType, string(r.Body),
			}
			want := []any{
				"MESSAGE", "sip:" + node + "@" + domain, "sip:" + superior + "@" + domain,
				"ft", "tt", "c1", uint32(7), "z9hG4bK1",
				"MESSAGE", "192.0.2.2", 15061, true, "text/plain", "a\r\nb\r\n",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, text)
			}
		})
	}
}

func TestRepairResponses(t *testing.T) {
	const rest = "\r\nv: SIP/2.0/UDP 192.0.2.20:5060;rport=5062;received=192.0.2.9;branch=z9hG4bK1\r\n" +
		"f: <sip:a@b>;tag=1\r\nt: <sip:a@b>\r\ni: c\r\nCSeq: 1 REGISTER\r\n\r\n"
	for start, want := range map[string]Response{
		"SIP/2.0 200 OK":                 {Code: 200, Reason: "OK"},
		"SIP/2.0 200":                    {Code: 200, Reason: "OK"},
		"sip/2.0  401   Unauthorized":    {Code: 401, Reason: "Unauthorized"},
		"SIP/2.0 403 Wrong  ID password": {Code: 403, Reason: "Wrong ID password"},
	} {
		text, err := repair([]byte(start + rest))
		if err != nil {
			t.Errorf("%s: %v", start, err)
			continue
		}
		msg, err := newParser().ParseSIP(text)
		if err != nil {
			t.Errorf("%s: %v", start, err)
			continue
		}
		got := decodeResponse(msg.(*sip.Response), msgSource)
		if got.Code != want.Code || got.Reason != want.Reason || got.Received.String() != "192.0.2.9:5062" {
			t.Errorf("%s: got %+v, want %+v", start, got, want)
		}
	}
}

func TestRepairRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"empty":            "",
		"HTTP":             "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"NTP":              "\x1b\x00\x00\x00\x00",
		"status 99":        "SIP/2.0 99 X\r\n\r\n",
		"no Call-ID":       swap("Call-ID: c1\r\n", ""),
		"no Via":           swap("Via", "X-Via"),
		"Via without host": swap("192.0.2.2:15061", ""),
		"Via port":         swap(":15061", ":99999"),
		"CSeq":             swap("7 MESSAGE", "MESSAGE"),
		"CSeq too large":   swap("7 MESSAGE", "2147483648 MESSAGE"),
		"From no URI":      swap("<sip:34020000002000000001@3402000000>", "<>"),
		"blank in URI":     swap("<sip:34020000002000000001@3402000000>", "<sip:3402 @x>"),
		"too many lines":   swap("Call-ID", strings.Repeat("X: y\r\n", maxLines)+"Call-ID"),
		"too long a head":  swap("Call-ID", "X: "+strings.Repeat("y", maxHead)+"\r\nCall-ID"),
	} {
		if text, err := repair([]byte(raw)); err == nil {
			t.Errorf("%s: repaired to %q, want an error", name, text)
		}
	}
}

func superiorFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/superiors/*.sip")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captured messages: %v", err)
	}
	return files
}

// FuzzRepair: whatever comes, repair does not panic, what it lets through parses, stays the same when repaired again,
// keeps to its bounds, and no header breaks out of its line.
func FuzzRepair(f *testing.F) {
	for _, name := range superiorFiles(f) {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(sample))
	e := &Endpoint{parser: newParser()}
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, err := repair(raw)
		if err != nil {
			return
		}
		head, body, _ := bytes.Cut(text, []byte("\r\n\r\n"))
		if len(head) > 4*maxHead || !bytes.HasSuffix(raw, body) && !bytes.Contains(raw, body) {
			t.Fatalf("head of %d bytes, body %q of %q", len(head), body, raw)
		}
		if bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) ||
			bytes.Count(head, []byte("\r")) != bytes.Count(head, []byte("\r\n")) {
			t.Fatalf("bare line end in %q", head)
		}
		again, err := repair(text)
		if err != nil || !bytes.Equal(again, text) {
			t.Fatalf("repaired again: %v\n%q\n%q", err, text, again)
		}
		msg, err := e.parse(text)
		if err != nil {
			t.Fatalf("sipgo refuses: %v\n%q", err, text)
		}
		if req, ok := msg.(*sip.Request); ok {
			r := decodeRequest(req)
			if _, err := encodeResponse(req, &Response{Code: 200}, "tag", ""); err != nil || !bytes.Equal(r.Body, body) {
				t.Fatalf("response: %v, body %q", err, r.Body)
			}
		}
	})
}
