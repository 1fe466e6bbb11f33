package bridge

import (
	"context"
	"log/slog"
	"path"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/media"
	"gbgate/media/ps"
)

// ViewConfig says what one superior sees of the site and how media goes to it.
type ViewConfig struct {
	Superior string            // its name in the configuration
	NodeID   string            // our code there
	Channels []string          // patterns over camera names (path.Match); "*" is all
	IDs      map[string]string // camera name → its code for this superior, where different

	// Identity answers queries about ourselves.
	Name, Manufacturer, Model, Firmware string

	Audio       ps.AudioPolicy
	Start       media.Start
	SourceGrace time.Duration // a call outlives its camera by this
	RefuseH265  bool
	MaxPayload  int  // RTP payload bytes; 0 = 1400
	Interleaved bool // "$" framing over TCP
	RTCP        bool
	DialRetry   int
	FormatLine  string // full | empty | omit: the f= line of our answers
	NoPTZ       bool   // this superior may not move cameras
	StrictPTZ   bool
	Log         *slog.Logger
}

// View is the site as one superior sees it: its own choice of channels under its own codes.
// It answers that superior's queries, carries its controls out and serves its calls.
type View struct {
	cfg  ViewConfig
	site *Site
	log  *slog.Logger
}

// View returns a superior's view.
func (s *Site) View(cfg ViewConfig) *View {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &View{cfg: cfg, site: s, log: cfg.Log.With("superior", cfg.Superior)}
}

// sees tells whether the superior is shown the channel.
func (v *View) sees(c *Channel) bool {
	for _, pattern := range v.cfg.Channels {
		if ok, _ := path.Match(pattern, c.Name); ok {
			return true
		}
	}
	return false
}

func (v *View) idOf(c *Channel) string {
	if id := v.cfg.IDs[c.Name]; id != "" {
		return id
	}
	return string(c.ID)
}

// channel finds a channel by the code that this superior knows it by.
func (v *View) channel(id string) (*Channel, bool) {
	for _, c := range v.site.channels {
		if v.sees(c) && v.idOf(c) == id {
			return c, true
		}
	}
	return nil, false
}

// visible returns the channels that the superior is shown.
func (v *View) visible() []*Channel {
	var seen []*Channel
	for _, c := range v.site.channels {
		if v.sees(c) {
			seen = append(seen, c)
		}
	}
	return seen
}

// Resolve finds the channel that an INVITE or a control means: the first of the codes in it
// that is a channel's. Some platforms name only the device they registered (SRS): then it is
// our only camera, if there is only one.
func (v *View) Resolve(ids []string) (channel string, ok bool) {
	for _, id := range ids {
		if _, ok := v.channel(id); ok {
			return id, true
		}
	}
	if all := v.visible(); len(all) == 1 {
		for _, id := range ids {
			if id != "" && id != v.cfg.NodeID {
				return "", false // it names something, and we don't have it
			}
		}
		return v.idOf(all[0]), true
	}
	return "", false
}

// Catalog lists what the query asks for: everything for our own code, or one channel. An
// unknown code has no items (GB/T 28181-2022 annex J).
func (v *View) Catalog(_ context.Context, q *manscdp.CatalogQuery) (*manscdp.CatalogResponse, error) {
	answer := &manscdp.CatalogResponse{Header: q.Answer()}
	for _, c := range v.visible() {
		if q.DeviceID == v.cfg.NodeID || q.DeviceID == v.idOf(c) {
			answer.Items = append(answer.Items, v.item(c))
		}
	}
	answer.SumNum = len(answer.Items)
	return answer, nil
}

// item describes a channel; the edition's own fields are filled in where it is sent.
func (v *View) item(c *Channel) manscdp.Item {
	id := v.idOf(c)
	status := "ON"
	if now := c.health.Now().Condition; now == OFF || now == DEFECT {
		status = "OFF"
	}
	info := &manscdp.ItemInfo{PTZType: 3} // fixed; platforms show a PTZ panel for 1, 2, 4 and 5 only
	if c.PTZ != nil {
		info.PTZType = 1
	}
	civil := c.CivilCode
	if civil == "" {
		civil = gb28181.ID(id).CivilCode()
	}
	address := c.Address
	if address == "" {
		address = c.Title
	}
	return manscdp.Item{
		DeviceID: id, Name: c.Title, Manufacturer: c.Manufacturer, Model: c.Model, CivilCode: civil,
		Address: address, ParentID: v.cfg.NodeID, RegisterWay: 1, Status: status,
		Longitude: c.Longitude, Latitude: c.Latitude, Info: info,
	}
}

// DeviceInfo tells what we, or a channel, are.
func (v *View) DeviceInfo(_ context.Context, q *manscdp.DeviceInfoQuery) (*manscdp.DeviceInfoResponse, error) {
	answer := &manscdp.DeviceInfoResponse{Header: q.Answer(), Result: manscdp.OK}
	if q.DeviceID == v.cfg.NodeID {
		answer.DeviceName, answer.Manufacturer = v.cfg.Name, v.cfg.Manufacturer
		answer.Model, answer.Firmware = v.cfg.Model, v.cfg.Firmware
		answer.Channel = len(v.visible())
		return answer, nil
	}
	c, ok := v.channel(q.DeviceID)
	if !ok {
		return nil, gb28181.Errorf(404, "no such device")
	}
	answer.DeviceName, answer.Manufacturer, answer.Model, answer.Channel = c.Title, c.Manufacturer, c.Model, 1
	return answer, nil
}

// DeviceStatus tells how we, or a channel, are. We are never OFFLINE to the one who asks: some
// platforms would take the whole node off their list.
func (v *View) DeviceStatus(_ context.Context, q *manscdp.DeviceStatusQuery) (*manscdp.DeviceStatusResponse, error) {
	answer := &manscdp.DeviceStatusResponse{
		Header: q.Answer(), Result: manscdp.OK, Online: "ONLINE", Status: manscdp.OK, Time: time.Now(),
	}
	if q.DeviceID == v.cfg.NodeID {
		return answer, nil
	}
	c, ok := v.channel(q.DeviceID)
	if !ok {
		return nil, gb28181.Errorf(404, "no such device")
	}
	answer.Encode, answer.Record = "ON", "OFF"
	switch health := c.health.Now(); health.Condition {
	case ON:
	case OFF:
		answer.Online, answer.Encode = "OFFLINE", "OFF"
		fallthrough
	case VLOST, DEFECT:
		answer.Status, answer.Reason = manscdp.ERROR, health.Reason
	}
	return answer, nil
}

// format is the f= line of an answer (GB/T 28181-2022 annex G): what is really sent, as far as
// it is known before the first picture.
func (v *View) format(d *media.Description) string {
	if v.cfg.FormatLine != "full" {
		return ""
	}
	return formatLine(d, v.cfg.Audio)
}
