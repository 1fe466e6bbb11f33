package bridge

import (
	"encoding/json"
	"log/slog"

	"gbgate/bridge/ptz"
	"gbgate/gb28181/manscdp"
)

// belongings implements Made for one camera of a site.
type belongings struct {
	site   *Site
	camera string
	mount  *ptz.Mount // nil: fixed
	log    *slog.Logger
}

// made is what of it is kept while another device has the camera's name.
type made struct {
	Tours json.RawMessage       `json:"tours,omitempty"`
	Home  *manscdp.HomePosition `json:"home,omitempty"`
}

// Read implements Made.
func (b *belongings) Read() ([]byte, error) {
	m := made{Home: b.site.cfg.Ledger.Home(b.camera)}
	if b.mount != nil {
		var err error
		if m.Tours, err = b.mount.Tours(); err != nil {
			return nil, err
		}
	}
	if m.Tours == nil && m.Home == nil {
		return nil, nil
	}
	return json.Marshal(m)
}

// Replace implements Made.
func (b *belongings) Replace(text []byte) error {
	var m made
	if text != nil {
		if err := json.Unmarshal(text, &m); err != nil {
			b.log.Error("what was put aside of the camera is damaged and begins anew", "reason", err.Error())
			m = made{}
		}
	}
	b.site.cfg.Ledger.NoteManual(b.camera, false)
	if c := b.site.now.Load().names[b.camera]; c != nil && c.Recorder != nil {
		c.Recorder.Manual(false)
	}
	b.site.cfg.Ledger.ForgetHome(b.camera)
	if b.mount == nil {
		return nil
	}
	err := b.mount.Replace(m.Tours)
	if m.Home != nil {
		b.site.cfg.Ledger.NoteHome(b.camera, m.Home)
		b.mount.SetHome(*m.Home)
	}
	return err
}
