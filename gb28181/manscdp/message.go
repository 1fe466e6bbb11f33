// Package manscdp is the XML language of GB/T 28181 (Annex A): one struct per
// command, read leniently and written exactly.
//
// A new command is one struct and one row of the table below. The gb tags of a
// struct say how each field is named and ordered on the wire; see codec.go.
package manscdp

import (
	"reflect"
	"strings"

	"gbgate/gb28181"
)

// Header begins every message (2022 Annex A.2): CmdType, SN and DeviceID, always in this order.
type Header struct {
	CmdType  string `gb:"CmdType"` // Encode writes the command's own name, whatever stands here
	SN       string `gb:"SN"`      // echoed as text: superiors send up to ten digits
	DeviceID string `gb:"DeviceID"`
}

// Head returns the header itself, so that every message has it.
func (h *Header) Head() *Header { return h }

// Message is one MANSCDP command or answer.
type Message interface {
	Root() string // Control, Query, Notify or Response
	Head() *Header
}

// Roots of a message.
const (
	Control  = "Control"
	Query    = "Query"
	Notify   = "Notify"
	Response = "Response"
)

// Answer returns the header of the Response to h: the same SN and DeviceID
// (2022 Annex M), even where DeviceID names a channel.
func (h *Header) Answer() Header { return Header{CmdType: h.CmdType, SN: h.SN, DeviceID: h.DeviceID} }

// ErrNotXML says that a body is no XML, not even to a lenient reader, or is
// beyond our limits. It is answered with 400.
var ErrNotXML error = &gb28181.Error{Code: 400, Reason: "Body is not XML"}

// ErrRoot says that the root element is none of Control, Query, Notify and
// Response. It is answered with 415.
var ErrRoot error = &gb28181.Error{Code: 415, Reason: "Root element is not MANSCDP"}

// UnknownError says that a well-formed message carries a command that we don't
// have. It is answered with 200 and nothing more.
type UnknownError struct {
	Root   string
	Header Header
}

func (e *UnknownError) Error() string {
	return "unknown command " + e.Root + " " + e.Header.CmdType
}

// Unwrap lets gb28181.StatusOf find the 200.
func (e *UnknownError) Unwrap() error { return &gb28181.Error{Code: 200, Reason: "OK"} }

// row ties a command on the wire to its struct.
type row struct {
	root, command string
	message       Message // a nil pointer: only its type counts
}

// table lists every command that we read and write. A struct may have several
// rows; Encode takes the one that its CmdType names, else the first. The row
// without command is for SubscribeResponse, see Decode.
var table = []row{
	{Query, "Catalog", (*CatalogQuery)(nil)},
	{Query, "DeviceInfo", (*DeviceInfoQuery)(nil)},
	{Query, "DeviceStatus", (*DeviceStatusQuery)(nil)},
	{Query, "RecordInfo", (*RecordInfoQuery)(nil)},
	{Query, "Alarm", (*AlarmQuery)(nil)},
	{Query, "ConfigDownload", (*ConfigDownloadQuery)(nil)},
	{Control, "ConfigDownload", (*ConfigDownloadQuery)(nil)},
	{Query, "PresetQuery", (*PresetQuery)(nil)},
	{Query, "MobilePosition", (*MobilePositionQuery)(nil)},
	{Query, "HomePositionQuery", (*HomePositionQuery)(nil)},
	{Query, "CruiseTrackListQuery", (*CruiseTrackListQuery)(nil)},
	{Query, "CruiseTrackQuery", (*CruiseTrackQuery)(nil)},
	{Query, "PTZPosition", (*PTZPositionQuery)(nil)},
	{Query, "PTZPreciseStatusQuery", (*PTZPositionQuery)(nil)},
	{Query, "SDCardStatus", (*SDCardStatusQuery)(nil)},
	{Control, "DeviceControl", (*DeviceControl)(nil)},
	{Control, "DeviceConfig", (*DeviceConfig)(nil)},
	{Notify, "Keepalive", (*Keepalive)(nil)},
	{Notify, "Alarm", (*AlarmNotify)(nil)},
	{Notify, "Catalog", (*CatalogNotify)(nil)},
	{Notify, "MobilePosition", (*MobilePositionNotify)(nil)},
	{Notify, "PTZPosition", (*PTZPositionNotify)(nil)},
	{Notify, "MediaStatus", (*MediaStatusNotify)(nil)},
	{Notify, "Broadcast", (*Broadcast)(nil)},
	{Notify, "UploadSnapShotFinished", (*UploadSnapShotFinished)(nil)},
	{Notify, "VideoUploadNotify", (*VideoUploadNotify)(nil)},
	{Notify, "DeviceUpgradeResult", (*DeviceUpgradeResult)(nil)},
	{Response, "Catalog", (*CatalogResponse)(nil)},
	{Response, "DeviceInfo", (*DeviceInfoResponse)(nil)},
	{Response, "DeviceStatus", (*DeviceStatusResponse)(nil)},
	{Response, "RecordInfo", (*RecordInfoResponse)(nil)},
	{Response, "Alarm", (*AlarmResponse)(nil)},
	{Response, "ConfigDownload", (*ConfigDownloadResponse)(nil)},
	{Response, "PresetQuery", (*PresetResponse)(nil)},
	{Response, "HomePositionQuery", (*HomePositionResponse)(nil)},
	{Response, "CruiseTrackListQuery", (*CruiseTrackListResponse)(nil)},
	{Response, "CruiseTrackQuery", (*CruiseTrackResponse)(nil)},
	{Response, "PTZPosition", (*PTZPositionResponse)(nil)},
	{Response, "PTZPreciseStatusQuery", (*PTZPositionResponse)(nil)},
	{Response, "SDCardStatus", (*SDCardStatusResponse)(nil)},
	{Response, "DeviceControl", (*ControlResponse)(nil)},
	{Response, "DeviceConfig", (*DeviceConfigResponse)(nil)},
	{Response, "Broadcast", (*BroadcastResponse)(nil)},
	{Response, "", (*SubscribeResponse)(nil)},
}

// byName finds the row of a command that was received.
func byName(root, command string) (row, bool) {
	for _, r := range table {
		if r.root == root && r.command != "" && strings.EqualFold(r.command, command) {
			return r, true
		}
	}
	return row{}, false
}

// byType finds the row of a message to be sent.
func byType(m Message) (row, bool) {
	t := reflect.TypeOf(m)
	var first *row
	for i := range table {
		r := &table[i]
		if reflect.TypeOf(r.message) != t {
			continue
		}
		if r.root == m.Root() && strings.EqualFold(r.command, m.Head().CmdType) {
			return *r, true
		}
		if first == nil {
			first = r
		}
	}
	if first == nil {
		return row{}, false
	}
	r := *first
	if r.command == "" {
		r.command = clean(m.Head().CmdType)
	}
	return r, r.command != ""
}

// make returns a new, empty message of the row's type.
func (r row) make() Message {
	m, _ := reflect.New(reflect.TypeOf(r.message).Elem()).Interface().(Message) // the table holds Messages only
	return m
}
