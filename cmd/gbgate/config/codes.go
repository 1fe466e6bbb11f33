package config

import "fmt"

// CodeRequest is what the file says of one camera's code.
type CodeRequest struct {
	Camera string // its name
	Title  string
	Code   string // "" = it wants one
}

// Codes finds the codes of the cameras that have none in the file. It gets every camera, so that
// it knows which codes are taken, and reserved: the other codes of the file with their owners in
// plain words. It answers with a code, or with a fault in plain words, per camera that wants one;
// a fault may also be laid on a camera that has a code.
type Codes func(stateDir string, cameras []CodeRequest, reserved map[string]string) (codes, faults map[string]string)

// Option changes how Load and Parse work.
type Option func(*parser)

// WithCodes lets cameras leave their id out; codes says where it comes from. Without this option
// a camera that has no id is a fault.
func WithCodes(codes Codes) Option { return func(p *parser) { p.codes = codes } }

// MissingCodesAllowed loads also a file in which cameras have no code, for the commands that are
// there to mend that.
func MissingCodesAllowed() Option { return func(p *parser) { p.missingCodes = true } }

// assign finds the codes of the cameras that the file gives none.
func (p *parser) assign() {
	if p.codes == nil {
		return
	}
	cameras := make([]CodeRequest, 0, len(p.cfg.Cameras))
	for _, cam := range p.cfg.Cameras {
		if cam.Name != "" {
			cameras = append(cameras, CodeRequest{cam.Name, cam.Title, cam.ID})
		}
	}
	codes, faults := p.codes(p.cfg.Gateway.StateDir, cameras, p.cfg.Reserved())
	p.codeFaults = faults
	for i := range p.cfg.Cameras {
		if cam := &p.cfg.Cameras[i]; cam.ID == "" {
			cam.ID = codes[cam.Name]
		}
	}
}

// Reserved returns the codes of the file that are not a camera's own, with their owners in plain words.
func (c *Config) Reserved() map[string]string {
	reserved := map[string]string{c.Gateway.ID: "gateway.id"}
	for i, s := range c.Superiors {
		where := keyOf("superior", i, s.Name)
		if s.NodeID != c.Gateway.ID {
			reserved[s.NodeID] = where + ".node_id"
		}
		for name, code := range s.IDs {
			if _, known := reserved[code]; !known {
				reserved[code] = fmt.Sprintf("%s.ids.%s", where, name)
			}
		}
	}
	for i, g := range c.Groups {
		reserved[g.ID] = keyOf("group", i, g.Name)
	}
	delete(reserved, "")
	return reserved
}
