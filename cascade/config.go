// Package cascade is the upper shore: it makes the gateway a lower GB/T 28181 node (下级平台) of its superior platforms.
package cascade

import (
	"cmp"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"gbgate/gb28181"
)

// Config is what one superior platform (上级平台) needs. ID, Address, NodeID and, where the superior asks for one,
// Password have no default; the zero value of everything else is the usual.
type Config struct {
	Name      string // how logs and status call this superior
	ID        string // the superior's 20-digit code
	Domain    string // its SIP domain; default: the first ten digits of ID
	Address   string // host:port, the host an address or a DNS name, looked up at every registration
	Transport string // "udp" (default) or "tcp"
	NodeID    string // our 20-digit code there
	Username  string // digest user name; default: NodeID
	Password  string
	Version   string // "auto" (default), "2016" or "2022"

	RegisterExpires   time.Duration // what we ask for; default 3600 s
	RegisterRetry     time.Duration // from one failed attempt to the next, less up to a sixth as jitter; default 60 s
	KeepaliveInterval time.Duration // default 60 s
	KeepaliveMax      int           // that many lost keepalives mean offline; default 3
	MaxCalls          int           // media calls at one time, 486 beyond; default 64

	MediaIP      netip.Addr     // printed in SDP instead of the address on the route to the superior
	AllowSources []netip.Prefix // where its requests may come from; empty: anywhere, as clusters do

	Device Device
	Compat Compat
	Timers Timers
	Log    *slog.Logger // nil is silence
}

// Device is what we say of ourselves in DeviceInfo where the site says nothing.
type Device struct {
	Name, Manufacturer, Model, Firmware string
}

// Compat are the quirks of a superior. The zero value is right for most platforms.
type Compat struct {
	AssumeVersion   string        // peer's X-GB-Ver while it sends none: "1.0", "1.1", "2.0" (default), "3.0"
	OmitGBVer       bool          // send no X-GB-Ver (send_gb_ver = false)
	RefreshMode     string        // "same-call-id" (default) or "new-call-id"
	ReregisterOn    []int         // answers to a keepalive that mean "I don't know you"; default 401, 403, 404, 407, 481
	FromHost        string        // "superior-domain" (default), "own-domain" or "ip:port"
	RequestURIHost  string        // "addr" (default) or "domain"
	UseNATContact   bool          // Contact carries the address the superior says it sees
	Charset         string        // "auto" (default), "GB2312", "GB18030" or "UTF-8"
	StrictGB2312    bool          // nothing that GB 2312 proper lacks where that is declared: '?' for 镕 and 喆
	UDPMaxMessage   int           // bytes of a whole SIP message over UDP; default 1300
	CatalogItems    int           // items in one Catalog message; default 0: by size over UDP, 50 over TCP
	EmptyLists      bool          // an answer's empty list is written, with Num="0" (empty_list_element)
	SnapShotAnswer  bool          // SnapShot instead of SnapShotConfig in ConfigDownload's answer (snapshot_answer_tag)
	UnknownDevice   string        // a DeviceID we don't have: "sip404" (default, as WVP) or "result-error" (200, ERROR)
	RespondControls bool          // answer controls that have no Response in the standard too (respond_all_controls)
	SendStart       string        // "ack" (default): media starts at ACK, or 1 s after the 200; "200": right after the 200
	ACKRequired     bool          // media never starts without an ACK (ack_required)
	OwnSSRC         bool          // the SSRC is ours, whatever y= offers (ssrc_mode = "own")
	NoSubjectSSRC   bool          // no SSRC from Subject where the offer has no y= (ssrc_from_subject = false)
	RejectPort      uint16        // port of an m= line that we refuse: 0 (default, RFC 3264) or 9
	MaxPerChannel   int           // calls of one channel at one time, 486 beyond; default 0: no limit
	MediaGrace      time.Duration // calls outlive the superior's being offline by this; default 0
	OffsetTimes     bool          // times to and fro are those of the superior's clock (time_sync = "offset")
	DateIsUTC       bool          // a Date without zone is UTC (WVP issue 1700) and not Beijing time

	InitialNotify      string // Catalog NOTIFY of what is not ON at once: "auto" (default: 2022 only), "on" or "off"
	NotifyTerminated   bool   // a last NOTIFY when a subscription is taken back or we leave
	OmitSubscribeBody  bool   // no Response in the 200 to SUBSCRIBE (subscribe_200_body = false)
	AcceptUnknownEvent bool   // 200 with Expires 30 to a subscription nobody knows, as WVP, instead of 489
	RefuseUnknownSub   bool   // 481 to a SUBSCRIBE inside a dialog we lost (adopt_unknown_subscribe = false)
	NoAlarmPush        bool   // no Alarm by MESSAGE where none is subscribed to (alarm_push = false)
	PositionFormat     string // of MobilePosition: "auto" (default: by edition), "2016" (flat) or "2022" (list)
	MediaStatusFrom    string // user of From in MediaStatus: "node" (default) or "channel"
}

// Timers are the periods that nobody sets in production; tests run them short. Zero takes the default.
type Timers struct {
	Reply          time.Duration // how long an answer to REGISTER, keepalive or MESSAGE is waited for; default 8 s
	RefusedRetry   time.Duration // after a refused password or ID: superiors lock brute force out; default 5 min
	RefreshMargin  time.Duration // refresh at expires − max(RefreshMargin, expires/10); default 60 s
	Leave          time.Duration // for BYEs and the unregistration together; default 3 s
	ResponseDelay  time.Duration // from the 200 to a query until its Response (srs-sip misses it sooner); default 50 ms
	PartTimeout    time.Duration // a Catalog part waits this long for the 200 of the former; default 1 s
	Reorder        time.Duration // how long a control waits for older ones still in other goroutines; default 20 ms
	Operation      time.Duration // one query or control on the site; default 10 s
	T1             time.Duration // RFC 3261 retransmission of the 200 to INVITE; default 500 ms
	T2             time.Duration // its upper bound; default 4 s
	SendFallback   time.Duration // media starts this long after the 200 when no ACK came; default 1 s
	ACK            time.Duration // a call without ACK ends; default 32 s
	Stop           time.Duration // how long BYE waits for the media to stop before its 200; default 2 s
	AddressCheck   time.Duration // how often the route to the superior is looked at; default 5 s
	Debounce       time.Duration // a channel's changes count for one so long; default 2 s
	Batch          time.Duration // and wait so long for those of others; default 1 s
	PTZPositionGap time.Duration // between two PTZPosition of one subscription; default 1 s
	ResetPerWindow int           // TCP resets within RegisterRetry that are followed by a REGISTER at once; default 3
}

func (c Config) withDefaults() Config {
	c.Domain = cmp.Or(c.Domain, domainOf(c.ID))
	c.Transport = cmp.Or(strings.ToLower(c.Transport), "udp")
	c.Username = cmp.Or(c.Username, c.NodeID)
	c.Version = cmp.Or(c.Version, "auto")
	c.RegisterExpires = cmp.Or(c.RegisterExpires, time.Hour)
	c.RegisterRetry = cmp.Or(c.RegisterRetry, time.Minute)
	c.KeepaliveInterval = cmp.Or(c.KeepaliveInterval, time.Minute)
	c.KeepaliveMax = cmp.Or(c.KeepaliveMax, 3)
	c.MaxCalls = cmp.Or(c.MaxCalls, 64)
	c.Compat = c.Compat.withDefaults()
	c.Timers = c.Timers.withDefaults()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With("superior", c.Name)
	return c
}

func (c Compat) withDefaults() Compat {
	c.AssumeVersion = cmp.Or(c.AssumeVersion, gb28181.Edition2016.Version())
	c.RefreshMode = cmp.Or(c.RefreshMode, "same-call-id")
	if len(c.ReregisterOn) == 0 {
		c.ReregisterOn = []int{401, 403, 404, 407, 481}
	}
	c.FromHost = cmp.Or(c.FromHost, "superior-domain")
	c.RequestURIHost = cmp.Or(c.RequestURIHost, "addr")
	c.Charset = cmp.Or(c.Charset, "auto")
	c.UDPMaxMessage = cmp.Or(c.UDPMaxMessage, 1300)
	c.SendStart = cmp.Or(c.SendStart, "ack")
	c.UnknownDevice = cmp.Or(c.UnknownDevice, "sip404")
	c.InitialNotify = cmp.Or(c.InitialNotify, "auto")
	c.PositionFormat = cmp.Or(c.PositionFormat, "auto")
	c.MediaStatusFrom = cmp.Or(c.MediaStatusFrom, "node")
	return c
}

func (t Timers) withDefaults() Timers {
	t.Reply = cmp.Or(t.Reply, 8*time.Second)
	t.RefusedRetry = cmp.Or(t.RefusedRetry, 5*time.Minute)
	t.RefreshMargin = cmp.Or(t.RefreshMargin, time.Minute)
	t.Leave = cmp.Or(t.Leave, 3*time.Second)
	t.ResponseDelay = cmp.Or(t.ResponseDelay, 50*time.Millisecond)
	t.PartTimeout = cmp.Or(t.PartTimeout, time.Second)
	t.Reorder = cmp.Or(t.Reorder, 20*time.Millisecond)
	t.Operation = cmp.Or(t.Operation, 10*time.Second)
	t.T1 = cmp.Or(t.T1, 500*time.Millisecond)
	t.T2 = cmp.Or(t.T2, 4*time.Second)
	t.SendFallback = cmp.Or(t.SendFallback, time.Second)
	t.ACK = cmp.Or(t.ACK, 32*time.Second)
	t.Stop = cmp.Or(t.Stop, 2*time.Second)
	t.AddressCheck = cmp.Or(t.AddressCheck, 5*time.Second)
	t.Debounce = cmp.Or(t.Debounce, 2*time.Second)
	t.Batch = cmp.Or(t.Batch, time.Second)
	t.PTZPositionGap = cmp.Or(t.PTZPositionGap, time.Second)
	t.ResetPerWindow = cmp.Or(t.ResetPerWindow, 3)
	return t
}

// domainOf is the SIP domain of a code where nothing else is configured: its first ten digits.
func domainOf(id string) string {
	if len(id) < 10 {
		return id
	}
	return id[:10]
}
