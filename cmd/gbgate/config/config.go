// Package config is config.toml's Go side: what may stand in it, its defaults, and every
// fault it can have, told all at once with the key's path and line.
package config

import (
	"path/filepath"
	"slices"
	"time"
)

// Config is the whole file. Every key has a default except identities, addresses and secrets.
type Config struct {
	Gateway   Gateway    `toml:"gateway"`
	Admin     Admin      `toml:"admin"`
	Recording Recording  `toml:"recording"`
	Superiors []Superior `toml:"superior"`
	Groups    []Group    `toml:"group"`
	Cameras   []Camera   `toml:"camera"`
}

// Gateway is the box itself.
type Gateway struct {
	ID         string        `toml:"id"`          // our 20-digit code, where a superior gives none of its own
	Name       string        `toml:"name"`        // shown upward
	SIPListen  string        `toml:"sip_listen"`  // UDP and TCP
	MediaPorts string        `toml:"media_ports"` // "low-high": even RTP, odd RTCP; "0": the kernel picks
	StateDir   string        `toml:"state_dir"`   // survives upgrades; created when missing
	LogLevel   string        `toml:"log_level"`   // debug | info | warn | error
	LogFile    string        `toml:"log_file"`    // relative to state_dir; "" = standard error
	LogFileKB  int           `toml:"log_file_kb"` // when a log file is full
	LogFiles   int           `toml:"log_files"`   // how many there are, the current one included
	Linger     time.Duration `toml:"linger"`      // how long a camera is still pulled after its last viewer left
	GPSD       string        `toml:"gpsd"`        // "host:port" of the gpsd that knows where we are; "" = none
}

// Admin is the HTTP door.
type Admin struct {
	Listen       string `toml:"listen"`        // "" = no HTTP
	PasswordFile string `toml:"password_file"` // inactive until the web UI is there
}

// Recording says where what cameras send is kept, and how much of it.
type Recording struct {
	Dir        string        `toml:"dir"`         // relative to state_dir; "" = its folder recordings
	MaxDays    int           `toml:"max_days"`    // older recordings are deleted; 0 = no limit
	MaxGB      float64       `toml:"max_gb"`      // of all recordings together; 0 = no limit but min_free_gb
	MinFreeGB  float64       `toml:"min_free_gb"` // what stays free on the volume
	Segment    time.Duration `toml:"segment"`     // length of a file
	PreRecord  time.Duration `toml:"pre_record"`  // of record = "alarm": from so long before an alarm
	PostRecord time.Duration `toml:"post_record"` // until so long after it
}

// Superior is one platform above us (上级平台).
type Superior struct {
	Name      string  `toml:"name"`
	ID        string  `toml:"id"`
	Domain    string  `toml:"domain"` // "" = the first ten digits of id
	Address   string  `toml:"address"`
	Transport string  `toml:"transport"` // udp | tcp
	NodeID    string  `toml:"node_id"`   // "" = gateway.id
	Username  string  `toml:"username"`  // "" = node_id
	Password  *string `toml:"password"`
	// The password may stand in a file or an environment variable instead.
	PasswordFile string            `toml:"password_file"`
	PasswordEnv  string            `toml:"password_env"`
	Version      string            `toml:"version"` // auto | 2016 | 2022
	Channels     []string          `toml:"channels"`
	IDs          map[string]string `toml:"ids"`       // camera name → its code for this superior
	Groups       []string          `toml:"groups"`    // names or patterns of [[group]] blocks; each brings its parents
	Districts    map[string]string `toml:"districts"` // division code → its name, as items of the catalog

	MediaIP           string        `toml:"media_ip"`    // "" = the address of the route
	MediaPorts        string        `toml:"media_ports"` // "" = gateway.media_ports
	Audio             string        `toml:"audio"`       // auto | pcma | off
	RegisterExpires   time.Duration `toml:"register_expires"`
	RegisterRetry     time.Duration `toml:"register_retry"`
	KeepaliveInterval time.Duration `toml:"keepalive_interval"`
	KeepaliveMax      int           `toml:"keepalive_max"`
	BandwidthKbps     int           `toml:"bandwidth_kbps"`     // 0 = no limit
	OverBandwidth     string        `toml:"over_bandwidth"`     // "" | sub: what a new call gets when none is left
	MaxCalls          int           `toml:"max_calls"`          // 0 = no limit
	MaxDownloadSpeed  float64       `toml:"max_download_speed"` // × real time; 0 = no limit
	SourceGrace       time.Duration `toml:"source_grace"`       // a call outlives its camera by this
	AllowSources      []string      `toml:"allow_sources"`      // CIDRs; empty = anywhere

	Compat Compat `toml:"compat"`
}

// Group is a branch of the catalog tree: a business group (业务分组, type 215) or a virtual
// organisation (虚拟组织, type 216; GB/T 28181-2022 annex J).
type Group struct {
	ID      string   `toml:"id"`
	Name    string   `toml:"name"`    // its key in this file, shown upward
	Parent  string   `toml:"parent"`  // the group it hangs in, by name or code; "" = ourselves, for a 215
	Cameras []string `toml:"cameras"` // names or patterns of the cameras in it
}

// Camera is one source of pictures on the site.
type Camera struct {
	Name         string  `toml:"name"`  // its key in this file
	Title        string  `toml:"title"` // shown upward; "" = name
	ID           string  `toml:"id"`    // "" = the code that the ID store holds for it
	URL          string  `toml:"url"`
	ONVIF        string  `toml:"onvif"`
	ONVIFChannel int     `toml:"onvif_channel"` // of a recorder, from 1; 0 = the first
	Username     string  `toml:"username"`
	Password     *string `toml:"password"`
	PasswordFile string  `toml:"password_file"`
	PasswordEnv  string  `toml:"password_env"`
	SubURL       string  `toml:"sub_url"`
	Transport    string  `toml:"transport"` // tcp | udp | auto
	PTZ          string  `toml:"ptz"`       // auto | onvif | off
	Record       string  `toml:"record"`    // off | always | alarm
	// What the camera or its recorder has recorded itself.
	Replay         string `toml:"replay"`          // "" = nothing | onvif | a maker | a URL with {start} and {end}
	RecordingToken string `toml:"recording_token"` // of ONVIF; "" = the one of this camera's video source
	ReplayChannel  int    `toml:"replay_channel"`  // of the recorder; 0 = that of url, else 1
	ReplayZone     string `toml:"replay_zone"`     // "UTC" or "+08:00": of the times in the URL; "" = the maker's usual
	ReplayDays     int    `toml:"replay_days"`     // how far back it reaches, where it can't be searched; 0 = unknown
	Events         string `toml:"events"`          // auto | onvif | off
	// AlarmMap makes events alarms, or changes what they are: topic → "method/type", "method" or "off".
	AlarmMap      map[string]string `toml:"alarm_map"`
	AlarmInterval time.Duration     `toml:"alarm_interval"` // at least so long between two alarms of one kind
	Manufacturer  string            `toml:"manufacturer"`
	Model         string            `toml:"model"`
	CivilCode     string            `toml:"civil_code"` // "" = the first six digits of id
	Address       string            `toml:"address"`    // installation place; "" = title
	Longitude     float64           `toml:"longitude"`
	Latitude      float64           `toml:"latitude"`
}

// Default returns the configuration that an empty file stands for.
func Default() *Config {
	return &Config{
		Gateway: Gateway{
			Name:       "gbgate",
			SIPListen:  "0.0.0.0:5060",
			MediaPorts: "30000-32999",
			StateDir:   "/var/lib/gbgate",
			LogLevel:   "info",
			LogFileKB:  1024,
			LogFiles:   4,
			Linger:     10 * time.Second,
		},
		Admin: Admin{Listen: "127.0.0.1:8080"},
		Recording: Recording{
			MaxDays: 30, MinFreeGB: 1, Segment: 5 * time.Minute, PreRecord: 5 * time.Second, PostRecord: 30 * time.Second,
		},
	}
}

// DefaultSuperior returns a superior with every default.
func DefaultSuperior() Superior {
	return Superior{
		Transport:         "udp",
		Version:           "auto",
		Channels:          []string{"*"},
		Groups:            []string{"*"},
		Audio:             "auto",
		RegisterExpires:   time.Hour,
		RegisterRetry:     time.Minute,
		KeepaliveInterval: time.Minute,
		KeepaliveMax:      3,
		MaxCalls:          64,
		MaxDownloadSpeed:  8,
		SourceGrace:       10 * time.Second,
		Compat:            DefaultCompat(),
	}
}

// DefaultCamera returns a camera with every default.
func DefaultCamera() Camera {
	return Camera{
		Transport: "tcp", PTZ: "auto", Record: "off", Events: "auto", AlarmMap: map[string]string{},
		AlarmInterval: 10 * time.Second, Manufacturer: "gbgate", Model: "IPC",
	}
}

// RecordingDir is where recordings are kept.
func (c *Config) RecordingDir() string {
	switch {
	case c.Recording.Dir == "":
		return filepath.Join(c.Gateway.StateDir, "recordings")
	case filepath.IsAbs(c.Recording.Dir):
		return c.Recording.Dir
	}
	return filepath.Join(c.Gateway.StateDir, c.Recording.Dir)
}

// Records tells whether any camera is recorded.
func (c *Config) Records() bool {
	return slices.ContainsFunc(c.Cameras, func(cam Camera) bool { return cam.Record != "off" })
}
