package config

import "time"

// Compat holds the quirks of one superior. A profile presets a named set of them; a key that
// is given stands above its profile.
type Compat struct {
	Profile string `toml:"profile"` // "" or one of ProfileNames

	CompatRegister
	CompatMessages
	CompatEvents
	CompatMedia
	CompatControl
}

// CompatRegister is how we register and address our requests.
type CompatRegister struct {
	AssumeVersion     string        `toml:"assume_version"` // while it sends no X-GB-Ver: 1.0 | 1.1 | 2.0 | 3.0
	SendGBVer         bool          `toml:"send_gb_ver"`
	RefreshMode       string        `toml:"refresh_mode"` // same-call-id | new-call-id
	ReregisterOn      []int         `toml:"reregister_on"`
	OfflineMediaGrace time.Duration `toml:"offline_media_grace"` // media outlives an offline platform by this
	TimeSync          string        `toml:"time_sync"`           // off | offset
	DateIsUTC         bool          `toml:"date_is_utc"`
	FromHost          string        `toml:"from_host"`        // superior-domain | own-domain | ip:port
	RequestURIHost    string        `toml:"request_uri_host"` // addr | domain
	UseNATContact     bool          `toml:"use_nat_contact"`
}

// CompatMessages is how MANSCDP bodies are written.
type CompatMessages struct {
	Charset                string        `toml:"charset"`                   // auto | GB2312 | GB18030 | UTF-8
	StrictGB2312           bool          `toml:"strict_gb2312"`             // nothing beyond GB2312 where that is declared
	UDPMaxMessage          int           `toml:"udp_max_message"`           // bytes of a whole SIP message
	CatalogItemsPerMessage int           `toml:"catalog_items_per_message"` // 0 = by size
	CatalogPartTimeout     time.Duration `toml:"catalog_part_timeout"`
	CatalogSelfItem        bool          `toml:"catalog_self_item"`
	ParentMode             string        `toml:"parent_mode"` // auto | node | org | org/node
	EmptyListElement       bool          `toml:"empty_list_element"`
	UnknownDevice          string        `toml:"unknown_device"` // sip404 | result-error
	RespondAllControls     bool          `toml:"respond_all_controls"`
	SnapshotAnswerTag      string        `toml:"snapshot_answer_tag"` // SnapShotConfig | SnapShot
}

// CompatEvents is what we tell without being asked, and subscriptions.
type CompatEvents struct {
	AlarmPush              bool          `toml:"alarm_push"`             // alarms as MESSAGE while it does not subscribe
	AlarmLatch             bool          `toml:"alarm_latch"`            // no second alarm of a device before its reset
	VideoLossAlarm         bool          `toml:"video_loss_alarm"`       // a camera that is lost is an alarm, too
	MobilePositionFormat   string        `toml:"mobile_position_format"` // auto | 2016 | 2022
	Subscribe200Body       bool          `toml:"subscribe_200_body"`
	SubscribeUnknown       string        `toml:"subscribe_unknown"`        // reject | accept
	SubscribeInitialNotify string        `toml:"subscribe_initial_notify"` // auto | always | never
	NotifyTerminated       bool          `toml:"notify_terminated"`
	AdoptUnknownSubscribe  bool          `toml:"adopt_unknown_subscribe"`
	StatusDebounce         time.Duration `toml:"status_debounce"`
	MediaStatus            bool          `toml:"mediastatus"`
	MediaStatusFrom        string        `toml:"mediastatus_from"` // node | channel
}

// CompatMedia is how calls are answered and media is sent.
type CompatMedia struct {
	SSRCMode        string        `toml:"ssrc_mode"` // echo | own
	SSRCFromSubject bool          `toml:"ssrc_from_subject"`
	Payload         string        `toml:"payload"`    // ps
	SendStart       string        `toml:"send_start"` // ack | 200
	ACKRequired     bool          `toml:"ack_required"`
	ACKTimeout      time.Duration `toml:"ack_timeout"`
	SDPAnswerF      string        `toml:"sdp_answer_f"`   // full | empty | omit
	RejectPort      int           `toml:"reject_port"`    // 0 | 9: port of a refused m= line
	DefaultStream   string        `toml:"default_stream"` // main | sub
	TCPFraming      string        `toml:"tcp_framing"`    // rfc4571 | interleaved
	TCPRetries      int           `toml:"tcp_connect_retry"`
	PayloadMTU      int           `toml:"payload_mtu"`
	RTCP            bool          `toml:"rtcp"`
	RTCPTimeout     time.Duration `toml:"rtcp_timeout"` // receiver reports that stop so long end a call; 0 = never
	UDPICMPBye      bool          `toml:"udp_icmp_bye"` // "port unreachable" ends a call
	StartFrom       string        `toml:"start_from"`   // cached-gop | next-idr
	AudioAAC        bool          `toml:"audio_aac"`    // false: audio = "auto" means "pcma"
	AllowH265       bool          `toml:"allow_h265"`
	H265Fallback    string        `toml:"h265_fallback_stream"` // "" | sub
	ScalePTS        string        `toml:"scale_pts"`            // media | wall
	MANSRTSPBody    bool          `toml:"mansrtsp_reply_body"`
	PauseKeepalive  bool          `toml:"pause_keepalive"`
	MaxSessions     int           `toml:"max_sessions_per_channel"` // 0 = no limit
}

// CompatControl is what the superior may do to the site.
type CompatControl struct {
	PTZ                 bool          `toml:"ptz"`
	PTZWatchdog         time.Duration `toml:"ptz_watchdog"` // a move without a stop ends after this
	PTZLock             time.Duration `toml:"ptz_lock"`     // a camera is its own so long after each of its commands
	PTZPriority         int           `toml:"ptz_priority"` // a higher one takes a locked camera over
	StrictPTZ           bool          `toml:"ptz_strict_checksum"`
	AllowTeleBoot       bool          `toml:"allow_teleboot"`
	AllowDeviceConfig   []string      `toml:"allow_device_config"`   // BasicParam, AlarmReport, SnapShotConfig …
	SnapshotUploadAllow []string      `toml:"snapshot_upload_allow"` // addresses, networks or "superior-ip"
	Broadcast           bool          `toml:"broadcast"`
	BroadcastTransport  string        `toml:"broadcast_transport"`   // udp | tcp-active | tcp-passive
	BroadcastInviteFrom string        `toml:"broadcast_invite_from"` // node | target
	BroadcastOfferY     bool          `toml:"broadcast_offer_y"`
	Talk                bool          `toml:"talk"`
}

// DefaultCompat returns what suits most platforms.
func DefaultCompat() Compat {
	return Compat{
		CompatRegister: CompatRegister{
			AssumeVersion:  "2.0",
			SendGBVer:      true,
			RefreshMode:    "same-call-id",
			ReregisterOn:   []int{401, 403, 404, 407, 481},
			TimeSync:       "off",
			FromHost:       "superior-domain",
			RequestURIHost: "addr",
		},
		CompatMessages: CompatMessages{
			Charset:            "auto",
			UDPMaxMessage:      1300,
			CatalogPartTimeout: time.Second,
			ParentMode:         "auto",
			UnknownDevice:      "sip404",
			SnapshotAnswerTag:  "SnapShotConfig",
		},
		CompatEvents: CompatEvents{
			AlarmPush:              true,
			AlarmLatch:             true,
			MobilePositionFormat:   "auto",
			Subscribe200Body:       true,
			SubscribeUnknown:       "reject",
			SubscribeInitialNotify: "auto",
			AdoptUnknownSubscribe:  true,
			StatusDebounce:         2 * time.Second,
			MediaStatus:            true,
			MediaStatusFrom:        "node",
		},
		CompatMedia: CompatMedia{
			SSRCMode:        "echo",
			SSRCFromSubject: true,
			Payload:         "ps",
			SendStart:       "ack",
			ACKTimeout:      32 * time.Second,
			SDPAnswerF:      "full",
			DefaultStream:   "main",
			TCPFraming:      "rfc4571",
			TCPRetries:      10,
			PayloadMTU:      1400,
			RTCP:            true,
			RTCPTimeout:     time.Minute,
			UDPICMPBye:      true,
			StartFrom:       "cached-gop",
			AudioAAC:        true,
			AllowH265:       true,
			ScalePTS:        "media",
			MaxSessions:     8,
		},
		CompatControl: CompatControl{
			PTZ:                 true,
			PTZWatchdog:         15 * time.Second,
			AllowDeviceConfig:   []string{"BasicParam", "AlarmReport", "SnapShotConfig"},
			SnapshotUploadAllow: []string{"superior-ip"},
			BroadcastTransport:  "udp",
			BroadcastInviteFrom: "node",
			BroadcastOfferY:     true,
		},
	}
}
