package manscdp

import (
	"fmt"
	"strconv"
)

// PresetQuery asks for the presets of a camera (2022 A.2.4.8).
type PresetQuery struct{ Header }

// Root implements Message.
func (*PresetQuery) Root() string { return Query }

// PresetResponse answers a PresetQuery (2022 A.2.6.8). Its list is always
// written: WVP takes an answer without one for broken XML.
type PresetResponse struct {
	Header
	SumNum  int      `gb:"SumNum"`
	Num     int      `gb:"PresetList@Num"` // as received; Encode writes the number of Presets
	Presets []Preset `gb:"PresetList>Item,num,always"`
}

// Root implements Message.
func (*PresetResponse) Root() string { return Response }

func (r *PresetResponse) check() error { return checkSum(r.SumNum, len(r.Presets)) }

// Preset is one stored position. WVP takes any further element for its name.
type Preset struct {
	ID   int    `gb:"PresetID"`   // 1 to 255
	Name string `gb:"PresetName"` // Encode writes the ID for a preset that the camera has no name for
}

func (p *Preset) wire() (any, error) {
	if clean(p.Name) != "" {
		return p, nil
	}
	return &Preset{ID: p.ID, Name: strconv.Itoa(p.ID)}, nil
}

func (p *Preset) check() error {
	if p.ID < 1 || p.ID > 255 {
		return fmt.Errorf("PresetID %d is not 1 to 255", p.ID)
	}
	return nil
}

// HomePositionQuery asks for the home position (看守位) of a camera (2022 A.2.4.9).
type HomePositionQuery struct{ Header }

// Root implements Message.
func (*HomePositionQuery) Root() string { return Query }

// HomePositionResponse answers a HomePositionQuery (2022 A.2.6.10).
type HomePositionResponse struct {
	Header
	HomePosition *HomePosition `gb:"HomePosition,opt"` // nil when the camera has none
}

// Root implements Message.
func (*HomePositionResponse) Root() string { return Response }

// CruiseTrackListQuery asks for the cruise tracks of a camera (2022 A.2.4.11).
type CruiseTrackListQuery struct{ Header }

// Root implements Message.
func (*CruiseTrackListQuery) Root() string { return Query }

// CruiseTrackListResponse answers a CruiseTrackListQuery (2022 A.2.6.11).
type CruiseTrackListResponse struct {
	Header
	SumNum int           `gb:"SumNum"`
	Num    int           `gb:"CruiseTrackList@Num"` // as received
	Tracks []CruiseTrack `gb:"CruiseTrackList>CruiseTrack,opt,num,answer"`
}

// Root implements Message.
func (*CruiseTrackListResponse) Root() string { return Response }

func (r *CruiseTrackListResponse) check() error { return checkSum(r.SumNum, len(r.Tracks)) }

// CruiseTrack names a cruise track.
type CruiseTrack struct {
	Number int    `gb:"Number"` // from 0
	Name   string `gb:"Name"`
}

// CruiseTrackQuery asks for one cruise track (2022 A.2.4.12).
type CruiseTrackQuery struct {
	Header
	Number int `gb:"Number"` // from 0
}

// Root implements Message.
func (*CruiseTrackQuery) Root() string { return Query }

// CruiseTrackResponse answers a CruiseTrackQuery (2022 A.2.6.12).
type CruiseTrackResponse struct {
	Header
	Number int           `gb:"Number"`
	Name   string        `gb:"Name,opt"`
	SumNum int           `gb:"SumNum"`
	Num    int           `gb:"CruisePointList@Num"` // as received
	Points []CruisePoint `gb:"CruisePointList>CruisePoint,opt,num,answer"`
}

// Root implements Message.
func (*CruiseTrackResponse) Root() string { return Response }

func (r *CruiseTrackResponse) check() error { return checkSum(r.SumNum, len(r.Points)) }

// CruisePoint is a stop of a cruise track.
type CruisePoint struct {
	PresetIndex int `gb:"PresetIndex"`
	StayTime    int `gb:"StayTime"` // seconds
	Speed       int `gb:"Speed"`    // 1 to 15
}
