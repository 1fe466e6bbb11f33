package simcam

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// headSpeed is how far the head turns in a second at full speed, of its −1 … 1.
const headSpeed = 0.5

// head is the simulated PTZ head: it is where its velocities have brought it.
type head struct {
	mu       sync.Mutex
	at       [3]float64 // pan and tilt from −1 to 1, zoom from 0 to 1, when it was last looked at
	velocity [3]float64
	since    time.Time
	until    time.Time // the velocities end by themselves; zero: they don't
	home     [3]float64
	presets  []headPreset
	serial   int
	touring  string // token of the tour that runs
}

type headPreset struct {
	token, name string
	at          [3]float64
}

const maxPresets = 64

func (h *head) init() { h.since = time.Now() }

// settle moves the head to where it is by now.
func (h *head) settle() {
	now := time.Now()
	end := now
	if !h.until.IsZero() && h.until.Before(now) {
		end = h.until
	}
	dt := max(0, end.Sub(h.since).Seconds())
	for i, v := range h.velocity {
		h.at[i] += v * headSpeed * dt
	}
	if end != now {
		h.velocity, h.until = [3]float64{}, time.Time{}
	}
	h.since = now
	h.at = bounded(h.at)
}

func bounded(p [3]float64) [3]float64 {
	return [3]float64{max(-1, min(1, p[0])), max(-1, min(1, p[1])), max(0, min(1, p[2]))}
}

func (h *head) run(v [3]*float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settle()
	for i := range v {
		if v[i] != nil {
			h.velocity[i] = *v[i]
		}
	}
}

// tire lets the movement end by itself.
func (h *head) tire(after time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until = time.Now().Add(after)
}

func (h *head) stop(panTilt, zoom bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settle()
	if panTilt {
		h.velocity[0], h.velocity[1] = 0, 0
	}
	if zoom {
		h.velocity[2] = 0
	}
}

func (h *head) put(to [3]float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.velocity, h.since = bounded(to), [3]float64{}, time.Now()
}

func (h *head) position() [3]float64 {
	at, _, _ := h.state()
	return at
}

func (h *head) state() (at [3]float64, moving, zooming bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settle()
	return h.at, h.velocity[0] != 0 || h.velocity[1] != 0, h.velocity[2] != 0
}

func (h *head) goHome() { h.put(h.home) }

func (h *head) setHome() {
	at := h.position()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.home = at
}

// Position returns where the head looks: pan and tilt from −1 to 1, zoom from 0 to 1.
func (d *ONVIF) Position() (pan, tilt, zoom float64) {
	p := d.head.position()
	return p[0], p[1], p[2]
}

// Moving tells whether any axis moves.
func (d *ONVIF) Moving() bool {
	_, moving, zooming := d.head.state()
	return moving || zooming
}

// Presets returns the names of the presets by token.
func (d *ONVIF) Presets() map[string]string {
	d.head.mu.Lock()
	defer d.head.mu.Unlock()
	list := make(map[string]string)
	for _, p := range d.head.presets {
		list[p.token] = p.name
	}
	return list
}

// presets answers the operations about presets and tours.
func (d *ONVIF) presets(q *soapRequest) (string, *fault) {
	token := q.body.str("PresetToken")
	switch q.body.name {
	case "GetPresets":
		return in("tptz:GetPresetsResponse", d.presetList()), nil
	case "SetPreset":
		return d.setPreset(token, q.body.str("PresetName"))
	case "GotoPreset":
		p, flt := d.preset(token)
		if flt == nil {
			d.note("GotoPreset %s", token)
			d.head.put(p.at)
		}
		return "<tptz:GotoPresetResponse/>", flt
	case "RemovePreset":
		_, flt := d.preset(token)
		if flt == nil {
			d.note("RemovePreset %s", token)
			d.removePreset(token)
		}
		return "<tptz:RemovePresetResponse/>", flt
	case "GetPresetTours":
		return in("tptz:GetPresetToursResponse", d.tours()), nil
	case "OperatePresetTour":
		return "<tptz:OperatePresetTourResponse/>", d.operateTour(q.body.str("PresetTourToken"), q.body.str("Operation"))
	}
	return "", unsupported()
}

func (d *ONVIF) presetList() string {
	d.head.mu.Lock()
	defer d.head.mu.Unlock()
	list := ""
	for _, p := range d.head.presets {
		list += in(`tptz:Preset token="`+escape(p.token)+`"`, el("tt:Name", p.name),
			in("tt:PTZPosition", fmt.Sprintf(`<tt:PanTilt x="%.4f" y="%.4f"/><tt:Zoom x="%.4f"/>`, p.at[0], p.at[1], p.at[2])))
	}
	return list
}

func (d *ONVIF) preset(token string) (headPreset, *fault) {
	d.head.mu.Lock()
	defer d.head.mu.Unlock()
	for _, p := range d.head.presets {
		if p.token == token {
			return p, nil
		}
	}
	return headPreset{}, invalid("NoToken")
}

func (d *ONVIF) removePreset(token string) {
	d.head.mu.Lock()
	defer d.head.mu.Unlock()
	for i, p := range d.head.presets {
		if p.token == token {
			d.head.presets = append(d.head.presets[:i:i], d.head.presets[i+1:]...)
			return
		}
	}
}

func (d *ONVIF) setPreset(token, name string) (string, *fault) {
	for i := range len(name) {
		if d.cfg.Quirks.ASCIINames && name[i] >= 0x80 {
			return "", invalid("InvalidPresetName")
		}
	}
	at := d.head.position()
	h := &d.head
	h.mu.Lock()
	defer h.mu.Unlock()
	slot, err := strconv.Atoi(token)
	isSlot := d.cfg.Quirks.SlotsOnly && err == nil && slot >= 1 && slot <= 8
	found := -1
	for i, p := range h.presets {
		if p.token == token {
			found = i
		}
	}
	switch {
	case found >= 0:
		h.presets[found] = headPreset{token, name, at}
	case token != "" && !isSlot, token == "" && d.cfg.Quirks.SlotsOnly:
		return "", invalid("NoToken")
	case len(h.presets) >= maxPresets:
		return "", &fault{"Receiver", "Action/TooManyPresets", "too many presets"}
	default:
		if token == "" {
			h.serial++
			token = fmt.Sprintf("preset_%d", h.serial)
		}
		h.presets = append(h.presets, headPreset{token, name, at})
	}
	d.note("SetPreset %s %s", token, name)
	return in("tptz:SetPresetResponse", el("tptz:PresetToken", token)), nil
}

// tours has one tour, over every preset.
func (d *ONVIF) tours() string {
	d.head.mu.Lock()
	defer d.head.mu.Unlock()
	if len(d.head.presets) == 0 {
		return ""
	}
	state := "Idle"
	if d.head.touring != "" {
		state = "Touring"
	}
	spots := ""
	for _, p := range d.head.presets {
		spots += in("tt:TourSpot", in("tt:PresetDetail", el("tt:PresetToken", p.token)), el("tt:StayTime", "PT10S"))
	}
	return in(`tptz:PresetTour token="tour1"`, el("tt:Name", "all"), in("tt:Status", el("tt:State", state)),
		el("tt:AutoStart", "false"), "<tt:StartingCondition/>", spots)
}

func (d *ONVIF) operateTour(token, op string) *fault {
	if token != "tour1" {
		return invalid("NoToken")
	}
	d.note("OperatePresetTour %s %s", token, op)
	d.head.mu.Lock()
	defer d.head.mu.Unlock()
	d.head.touring = ""
	if op == "Start" {
		d.head.touring = token
	}
	return nil
}
