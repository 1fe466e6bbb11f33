package ptz

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gbgate/bridge/statefile"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

const (
	maxPoints    = 128     // of one cruise
	maxTours     = 4 << 20 // bytes of the file
	usualDwell   = 10 * time.Second
	leastDwell   = 3 * time.Second // the way to a preset counts in the stay there
	maxSpeed     = 1<<12 - 1       // of a cruise or a scan, 12 bits
	usualSpeed   = maxSpeed / 2
	maxTrackRate = 15 // the largest speed that a CruiseTrackQuery is answered with
)

var (
	errNoPoints  = errors.New("the cruise has no points")
	errNoBorders = errors.New("the scan has no left and right border")
	errTooMany   = errors.New("the cruise has too many points")
)

// cruise is a cruise track (巡航轨迹): presets that are visited one after the other.
type cruise struct {
	Name    string `json:"name,omitempty"`
	Presets []int  `json:"presets"`
	Speed   int    `json:"speed,omitempty"` // 1 … 4095; 0 = never set
	Dwell   int    `json:"dwell,omitempty"` // seconds; 0 = never set
}

func (c *cruise) dwell() time.Duration {
	if c.Dwell == 0 {
		return usualDwell
	}
	return max(leastDwell, time.Duration(c.Dwell)*time.Second)
}

// scan is a scan track (线扫): to and fro between two borders, pan from −1 to 1.
type scan struct {
	Left  *float64 `json:"left,omitempty"`
	Right *float64 `json:"right,omitempty"`
	Speed int      `json:"speed,omitempty"`
}

// tours are the cruises and scans of one camera, by their group, 0 … 255. Few cameras have tours of
// their own that are made as platforms make them, so they are kept here and carried out from here.
type tours struct {
	file string // "" = in memory only

	mu      sync.Mutex
	Cruises map[uint8]*cruise `json:"cruises"`
	Scans   map[uint8]*scan   `json:"scans"`
}

// openTours reads what was kept. A damaged file is put aside, and one that can't be read stays as it is; either is
// told, and the tours begin anew.
func openTours(dir, camera string) (*tours, error) {
	t := &tours{}
	var err error
	if dir != "" {
		t.file = filepath.Join(dir, "tours", camera+".json")
		err = t.read()
	}
	if t.Cruises == nil {
		t.Cruises = make(map[uint8]*cruise)
	}
	if t.Scans == nil {
		t.Scans = make(map[uint8]*scan)
	}
	return t, err
}

// read fills the tours from their file.
func (t *tours) read() error {
	data, err := statefile.Read(t.file, maxTours)
	if err != nil && !errors.Is(err, statefile.ErrTooLarge) {
		t.file = ""
		return fmt.Errorf("the file is left alone and they are kept in memory: %w", err)
	}
	if data == nil {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, t)
	}
	if err != nil {
		t.Cruises, t.Scans = nil, nil
		aside, asideErr := statefile.SetAside(t.file)
		return errors.Join(fmt.Errorf("the file is damaged, now %s: %w", aside, err), asideErr)
	}
	t.clean()
	return nil
}

// clean drops what no command could have made.
func (t *tours) clean() {
	for group, c := range t.Cruises {
		if c == nil || len(c.Presets) > maxPoints || slices.ContainsFunc(c.Presets, badPreset) {
			delete(t.Cruises, group)
		}
	}
	for group, s := range t.Scans {
		if s == nil {
			delete(t.Scans, group)
		}
	}
}

func badPreset(n int) bool { return n < 1 || n > 255 }

// save keeps the tours. t.mu is held.
func (t *tours) save() error {
	if t.file == "" {
		return nil
	}
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return statefile.Replace(t.file, append(data, '\n'))
}

// text returns the tours as read takes them; nil: there are none.
func (t *tours) text() (json.RawMessage, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.Cruises) == 0 && len(t.Scans) == 0 {
		return nil, nil
	}
	return json.Marshal(t)
}

// replace puts other tours, as text returns them, in the place of these.
func (t *tours) replace(text json.RawMessage) error {
	var other tours
	if text != nil {
		if err := json.Unmarshal(text, &other); err != nil {
			return err
		}
		other.clean()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.Cruises)+len(t.Scans)+len(other.Cruises)+len(other.Scans) == 0 {
		return nil
	}
	clear(t.Cruises)
	clear(t.Scans)
	maps.Copy(t.Cruises, other.Cruises)
	maps.Copy(t.Scans, other.Scans)
	return t.save()
}

// program changes a cruise by one of the instructions 84 to 87.
func (t *tours) program(cmd gb28181.PTZCommand, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.Cruises[cmd.Group]
	if c == nil {
		c = &cruise{}
	}
	preset := int(cmd.Preset)
	switch cmd.Op {
	case gb28181.PTZAddCruisePoint:
		switch {
		case badPreset(preset):
			return manscdp.ErrBadValue
		case len(c.Presets) >= maxPoints:
			return errTooMany
		}
		c.Presets = append(slices.Clone(c.Presets), preset)
		if name != "" {
			c.Name = name
		}
	case gb28181.PTZDeleteCruisePoint:
		left := slices.DeleteFunc(slices.Clone(c.Presets), func(p int) bool { return p == preset })
		if preset == 0 || len(left) == 0 {
			delete(t.Cruises, cmd.Group)
			return t.save()
		}
		c.Presets = left
	case gb28181.PTZCruiseSpeed:
		c.Speed = int(cmd.Value)
	case gb28181.PTZCruiseDwell:
		c.Dwell = int(cmd.Value)
	default:
		return errors.ErrUnsupported
	}
	t.Cruises[cmd.Group] = c
	return t.save()
}

// border sets a border of a scan to where the camera looks.
func (t *tours) border(group uint8, left bool, pan float64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.scanOf(group)
	if left {
		s.Left = &pan
	} else {
		s.Right = &pan
	}
	return t.save()
}

func (t *tours) scanSpeed(group uint8, speed int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scanOf(group).Speed = speed
	return t.save()
}

// scanOf returns a scan, made when missing. t.mu is held.
func (t *tours) scanOf(group uint8) *scan {
	if t.Scans[group] == nil {
		t.Scans[group] = &scan{}
	}
	return t.Scans[group]
}

// cruiseOf returns a copy of a cruise that has points.
func (t *tours) cruiseOf(group uint8) (cruise, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.Cruises[group]
	if c == nil || len(c.Presets) == 0 {
		return cruise{}, errNoPoints
	}
	return *c, nil
}

// borders returns a scan that has both borders.
func (t *tours) borders(group uint8) (left, right float64, speed int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.Scans[group]
	if s == nil || s.Left == nil || s.Right == nil {
		return 0, 0, 0, errNoBorders
	}
	speed = s.Speed
	if speed == 0 {
		speed = usualSpeed
	}
	return *s.Left, *s.Right, speed, nil
}

// list names the cruises that have points, by number.
func (t *tours) list() []manscdp.CruiseTrack {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []manscdp.CruiseTrack
	for group := range 256 {
		if c := t.Cruises[uint8(group)]; c != nil && len(c.Presets) > 0 {
			list = append(list, manscdp.CruiseTrack{Number: group, Name: c.name(group)})
		}
	}
	return list
}

func (c *cruise) name(group int) string {
	if c.Name != "" {
		return c.Name
	}
	return fmt.Sprintf("cruise %d", group)
}

// points describes a cruise; nothing for one that there is not.
func (t *tours) points(number int) (name string, points []manscdp.CruisePoint) {
	if number < 0 || number > 255 {
		return "", nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.Cruises[uint8(number)]
	if c == nil {
		return "", nil
	}
	speed := c.Speed
	if speed == 0 {
		speed = usualSpeed
	}
	rate := max(1, speed*maxTrackRate/maxSpeed)
	for _, p := range c.Presets {
		points = append(points, manscdp.CruisePoint{PresetIndex: p, StayTime: int(c.dwell() / time.Second), Speed: rate})
	}
	return c.name(number), points
}
