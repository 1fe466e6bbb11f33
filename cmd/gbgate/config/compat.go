package config

import "time"

// Compat holds the quirks of one superior. A profile presets a named set of them; a key that
// is given stands above its profile.
type Compat struct {
	Profile string `toml:"profile"` // "" | wvp | srs | monibuca | livegbs | hikvision | strict-2016 | strict-2022

	// REGISTER and requests
	RefreshMode    string `toml:"refresh_mode"` // same-call-id | new-call-id
	ReregisterOn   []int  `toml:"reregister_on"`
	FromHost       string `toml:"from_host"`        // superior-domain | own-domain | ip:port
	RequestURIHost string `toml:"request_uri_host"` // addr | domain
	SendGBVer      bool   `toml:"send_gb_ver"`
	UseNATContact  bool   `toml:"use_nat_contact"`

	// MANSCDP
	Charset                string        `toml:"charset"` // auto | GB2312 | GB18030 | UTF-8
	UDPMaxMessage          int           `toml:"udp_max_message"`
	CatalogItemsPerMessage int           `toml:"catalog_items_per_message"` // 0 = by size
	CatalogPartTimeout     time.Duration `toml:"catalog_part_timeout"`
	CatalogSelfItem        bool          `toml:"catalog_self_item"`
	EmptyListElement       bool          `toml:"empty_list_element"`
	UnknownDevice          string        `toml:"unknown_device"` // sip404 | result-error
	RespondAllControls     bool          `toml:"respond_all_controls"`

	// media
	SendStart  string        `toml:"send_start"` // ack | 200
	ACKTimeout time.Duration `toml:"ack_timeout"`
	SDPAnswerF string        `toml:"sdp_answer_f"` // full | empty | omit
	TCPFraming string        `toml:"tcp_framing"`  // rfc4571 | interleaved
	PayloadMTU int           `toml:"payload_mtu"`
	RTCP       bool          `toml:"rtcp"`
	StartFrom  string        `toml:"start_from"` // cached-gop | next-idr
	AllowH265  bool          `toml:"allow_h265"`
	PTZ        bool          `toml:"ptz"`
	StrictPTZ  bool          `toml:"ptz_strict_checksum"`
	TCPRetries int           `toml:"tcp_connect_retry"`
}

// DefaultCompat returns what suits most platforms.
func DefaultCompat() Compat {
	return Compat{
		RefreshMode:        "same-call-id",
		ReregisterOn:       []int{401, 403, 404, 407, 481},
		FromHost:           "superior-domain",
		RequestURIHost:     "addr",
		SendGBVer:          true,
		Charset:            "auto",
		UDPMaxMessage:      1300,
		CatalogPartTimeout: time.Second,
		UnknownDevice:      "sip404",
		SendStart:          "ack",
		ACKTimeout:         32 * time.Second,
		SDPAnswerF:         "full",
		TCPFraming:         "rfc4571",
		PayloadMTU:         1400,
		RTCP:               true,
		StartFrom:          "cached-gop",
		AllowH265:          true,
		PTZ:                true,
		TCPRetries:         10,
	}
}

// applyProfile presets c for a named platform; false: there is no such profile.
func (c *Compat) applyProfile(name string) bool {
	switch name {
	case "", "wvp", "livegbs", "hikvision":
		// The defaults were chosen to suit these three: same Call-ID on refresh, media at ACK,
		// a real port and a full f= in the answer.
	case "srs":
		// SRS's embedded SIP drops RTCP and answers nothing to it.
		c.RTCP = false
	case "monibuca":
		// Monibuca listens for media only after its ACK; it puts the Request-URI host to use.
		c.TCPRetries, c.RTCP = 20, false
	case "strict-2016":
		c.Charset = "GB2312"
	case "strict-2022":
		c.Charset = "GB18030"
	default:
		return false
	}
	c.Profile = name
	return true
}
