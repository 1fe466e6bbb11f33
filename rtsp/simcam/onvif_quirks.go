package simcam

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// ONVIFQuirks names deviations of real devices, one field each; the zero value is a device
// without any.
type ONVIFQuirks struct {
	Host          string // every address the device reports has this host[:port] (behind NAT; 0.0.0.0)
	UserinfoInURI bool   // stream addresses hold an account
	CopiedID      bool   // its endpoint is every other camera's of that maker, too
	NonceOnce     bool   // a digest nonce is good for one request (Dahua)

	TimeNeedsPassword bool // GetSystemDateAndTime too (Panasonic)
	NoUTCTime         bool // only the local time and its zone (GWellTimes)
	OverflowTime      bool // 61 minutes

	NoGetServices   bool // fault
	FewServices     bool // GetServices names device and media only, GetCapabilities all (onvif_srvd)
	UnknownHangsUp  bool // an unknown operation closes the connection (onvif_srvd)
	UnknownIsHTML   bool // an unknown operation is a 500 in HTML (onvif_simple_server)
	UnknownIsText   bool // an unknown operation is a 400 without SOAP (onvif_server_emulator)
	Disorder        bool // elements are not in the order of the schema
	WrongNamespaces bool // every element in a namespace of the maker's own
	BrokenUTF8      bool // half a character in every answer
	RefusesAction   bool // a request with an action in its Content-Type is a 400

	NoInformation bool // GetDeviceInformation is a fault, as everything is with some that are just starting

	NoMedia2 bool
	// The device service lists no relay outputs, and switches none without saying so; Device I/O does both
	// (onvif_simple_server).
	RelaysInDeviceIO bool
	NoProfileTypes   bool          // Media2 refuses to be asked for parts of profiles
	NoImaging        bool          // no imaging service (onvif_simple_server)
	NoPTZInProfile   bool          // profiles have no PTZ configuration, though there is a PTZ service
	NoNodes          bool          // GetNodes is empty
	InfiniteSpaces   bool          // limits are -INF … INF (onvif_srvd)
	DegreeSpaces     bool          // positions count 0 … 360, 0 … 180 and 0 … 10 (onvif_simple_server)
	NoFOV            bool          // no translation by fields of view
	NoPosition       bool          // the status holds no position
	NoStop           bool          // Stop is a fault (Cohu)
	StopIgnored      bool          // Stop succeeds and does nothing
	RefusesTimeout   bool          // a movement with a time-out is a fault (Bosch)
	MovesTire        time.Duration // movements end by themselves after it (DefaultPTZTimeout)
	OneAxis          bool          // a diagonal movement is a fault (Arenti)
	ASCIINames       bool          // preset names must be ASCII (onvif_simple_server)
	SlotsOnly        bool          // presets are slots 1 … 8, none are made
	PositiveFocus    bool          // focus speeds are 1 … 5, and distances have the sign
	AutoFocus        bool          // refuses to move the focus until that is manual
	NoSyncPoint      bool          // SetSynchronizationPoint is a fault (onvif_simple_server)
	SnapshotBasic    bool          // the picture wants Basic
	SnapshotNoHost   bool          // the picture's address is a path
	NoRelativeTime   bool          // a relative termination time is a fault
	StatesOnSync     bool          // the present states are told at a synchronisation point only
	RenewRefused     bool          // Renew is a fault (Bosch)
	NeedsMessageID   bool          // Renew and PullMessages without wsa:MessageID are faults (onvif_simple_server)
	NeedsParameters  bool          // subscriptions are told apart by reference parameters
	EndsAllAtOnce    bool          // Unsubscribe ends the subscriptions of everybody
	PullCloses       time.Duration // a longer PullMessages is hung up on (Tapo C220)
	NoFindEvents     bool          // the search knows no events
	NoEndToSearch    bool          // every search goes on for ever

	Endless bool // an answer that does not end
	Deep    bool // elements in elements, 100 000 deep
	Silent  bool // no answer
}

// spoil answers a request the way of a quirk that spoils it as a whole.
func (k ONVIFQuirks) spoil(w http.ResponseWriter, q *soapRequest) bool {
	switch {
	case k.Silent:
		<-q.http.Context().Done()
	case k.Endless:
		chunk := strings.Repeat("<a>0123456789</a>", 4096)
		_, _ = io.WriteString(w, responseHead+"<s:Body>")
		for {
			if _, err := io.WriteString(w, chunk); err != nil {
				return true
			}
		}
	case k.Deep:
		_, _ = io.WriteString(w, responseHead+"<s:Body>"+strings.Repeat("<a>", 100_000))
	case k.RefusesAction && strings.Contains(q.http.Header.Get("Content-Type"), "action="):
		http.Error(w, "Bad Request", http.StatusBadRequest)
	case k.unknown(q) && k.UnknownHangsUp:
		hangUp(w)
	case k.unknown(q) && k.UnknownIsHTML:
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "<html><body>Internal Error<br></body></html>")
	case k.unknown(q) && k.UnknownIsText:
		http.Error(w, "unknown request", http.StatusBadRequest)
	default:
		return false
	}
	return true
}

// unknown tells whether the device lacks an operation by its quirks.
func (k ONVIFQuirks) unknown(q *soapRequest) bool {
	return k.NoGetServices && q.body.name == "GetServices" ||
		k.NoSyncPoint && q.body.name == "SetSynchronizationPoint" ||
		k.NoStop && q.body.name == "Stop" && q.service == "ptz_service" ||
		k.RenewRefused && q.body.name == "Renew" ||
		k.NoFindEvents && q.body.name == "FindEvents"
}

// dress changes an answer as a whole.
func (k ONVIFQuirks) dress(text string) string {
	if k.WrongNamespaces {
		for _, prefix := range []string{"tds", "trt", "tr2", "tptz", "timg", "tev", "tse", "trc", "trp", "tt"} {
			text = strings.ReplaceAll(text, "<"+prefix+":", "<own:")
			text = strings.ReplaceAll(text, "</"+prefix+":", "</own:")
		}
		text = strings.Replace(text, "<s:Envelope ", `<s:Envelope xmlns:own="http://example.com/own" `, 1)
	}
	if k.BrokenUTF8 {
		text = strings.Replace(text, "<s:Body>", "<s:Header><note>\xe4\xb8</note></s:Header><s:Body>", 1)
	}
	return text
}
