package manscdp

import (
	"errors"
	"fmt"
	"time"

	"gbgate/gb28181"
)

// CatalogQuery asks for the items below DeviceID (2022 A.2.4.3).
type CatalogQuery struct {
	Header
	Start time.Time `gb:"StartTime,opt"` // items added after; no platform uses it
	End   time.Time `gb:"EndTime,opt"`
}

// Root implements Message.
func (*CatalogQuery) Root() string { return Query }

// CatalogResponse is one part of the answer to a CatalogQuery (2022 A.2.6.3).
// Every part repeats SN, DeviceID and SumNum.
type CatalogResponse struct {
	Header
	SumNum int    `gb:"SumNum"`                         // items in all parts together
	Num    int    `gb:"DeviceList@Num"`                 // as received; Encode writes the number of Items
	Items  []Item `gb:"DeviceList>Item,opt,num,answer"` // items in this part; no DeviceList when there are none
}

// Root implements Message.
func (*CatalogResponse) Root() string { return Response }

func (r *CatalogResponse) check() error { return checkSum(r.SumNum, len(r.Items)) }

// Item is an entry of a catalog: a camera or other device, a platform, a
// business group, a virtual organisation or a district (2022 A.2.1.9 ff.).
// The fields stand in the order of emission, which suits both editions.
type Item struct {
	DeviceID     string `gb:"DeviceID"`
	Name         string `gb:"Name"`
	Manufacturer string `gb:"Manufacturer,opt"` // mandatory for devices and platforms, as are the next three
	Model        string `gb:"Model,opt"`
	Owner        string `gb:"Owner,opt"` // 2016 only, mandatory there
	CivilCode    string `gb:"CivilCode,opt"`
	Block        string `gb:"Block,opt"`
	Address      string `gb:"Address,opt"`
	Parental     int    `gb:"Parental,device"` // 1 when the device has children
	ParentID     string `gb:"ParentID,opt"`
	SafetyWay    *int   `gb:"SafetyWay,opt,device"` // 2016 only: 0 none, 2 S/MIME signature, 3 S/MIME encryption, 4 digest
	RegisterWay  int    `gb:"RegisterWay,device"`   // 1 digest, 2 two-way password, 3 and 4 certificates

	SecurityLevelCode string `gb:"SecurityLevelCode,opt"` // 2022: A, B or C of GB 35114
	CertNum           string `gb:"CertNum,opt"`           // 2016, as the next three
	Certifiable       *int   `gb:"Certifiable,opt"`
	ErrCode           *int   `gb:"ErrCode,opt"`
	EndTime           string `gb:"EndTime,opt"`

	Secrecy         int       `gb:"Secrecy,device"` // 0 public, 1 secret
	IPAddress       string    `gb:"IPAddress,opt"`
	Port            int       `gb:"Port,opt"`       // lalmax sends its requests to this port when it is set
	Password        string    `gb:"Password,never"` // read only: Encode never writes it
	Status          string    `gb:"Status,opt"`     // ON or OFF; mandatory for devices
	Longitude       float64   `gb:"Longitude,opt,prec=6"`
	Latitude        float64   `gb:"Latitude,opt,prec=6"`
	BusinessGroupID string    `gb:"BusinessGroupID,opt"`
	Info            *ItemInfo `gb:"Info,opt"`
}

// ItemInfo is what a catalog says of a camera beyond the basics. Zero means
// absent. Fields marked with a year belong to that edition only.
type ItemInfo struct {
	PTZType                  int     `gb:"PTZType,opt"`      // see the constants PTZ…
	PositionType             int     `gb:"PositionType,opt"` // 2016
	PhotoelectricImagingType string  `gb:"PhotoelectricImagingType,opt"`
	CapturePositionType      string  `gb:"CapturePositionType,opt"`
	RoomType                 int     `gb:"RoomType,opt"`         // 1 outdoor, 2 indoor
	UseType                  int     `gb:"UseType,opt"`          // 2016
	SupplyLightType          int     `gb:"SupplyLightType,opt"`  // 1 none, 2 infrared, 3 white
	DirectionType            int     `gb:"DirectionType,opt"`    // 1 E, 2 W, 3 S, 4 N, 5 SE, 6 NE, 7 SW, 8 NW
	Resolution               string  `gb:"Resolution,opt"`       // codes of the f= line ("6/5") or WxH
	StreamNumberList         string  `gb:"StreamNumberList,opt"` // 2022: "0/1/2"
	BusinessGroupID          string  `gb:"BusinessGroupID,opt"`  // 2016
	DownloadSpeed            string  `gb:"DownloadSpeed,opt"`    // "1/2/4"
	SVCSpaceSupportMode      string  `gb:"SVCSpaceSupportMode,opt"`
	SVCTimeSupportMode       string  `gb:"SVCTimeSupportMode,opt"`
	SSVCRatioSupportList     string  `gb:"SSVCRatioSupportList,opt"` // 2022, as all that follow
	MobileDeviceType         int     `gb:"MobileDeviceType,opt"`
	HorizontalFieldAngle     float64 `gb:"HorizontalFieldAngle,opt"`
	VerticalFieldAngle       float64 `gb:"VerticalFieldAngle,opt"`
	MaxViewDistance          float64 `gb:"MaxViewDistance,opt"`
	GrassrootsCode           string  `gb:"GrassrootsCode,opt"` // mandatory in 2022; 000000 when unknown
	PointType                int     `gb:"PointType,opt"`
	PointCommonName          string  `gb:"PointCommonName,opt"`
	MAC                      string  `gb:"MAC,opt"`
	FunctionType             string  `gb:"FunctionType,opt"`
	EncodeType               string  `gb:"EncodeType,opt"`
	InstallTime              string  `gb:"InstallTime,opt"`
	ManagementUnit           string  `gb:"ManagementUnit,opt"`
	ContactInfo              string  `gb:"ContactInfo,opt"`
	RecordSaveDays           int     `gb:"RecordSaveDays,opt"`
	IndustrialClassification string  `gb:"IndustrialClassification,opt"`
}

// PTZType values. A platform shows its PTZ panel for those that move.
const (
	PTZDome           = 1
	PTZHalfDome       = 2
	PTZFixed          = 3
	PTZRemoteBullet   = 4
	PTZRemoteHalfDome = 5 // 2022, as the next two
	PTZPanorama       = 6
	PTZSplit          = 7
)

// slim tells whether the item is a district, business group or virtual
// organisation, which carry no device fields (2022 Annex J).
func (it *Item) slim() bool {
	id := gb28181.ID(it.DeviceID)
	return id.IsDistrict() || id.IsGroup()
}

// check makes sure that no mandatory field of a device or platform is empty:
// platforms show "null" or drop the whole message.
func (it *Item) check() error {
	if it.slim() {
		return nil
	}
	for _, f := range []struct{ name, value string }{
		{"Manufacturer", it.Manufacturer},
		{"Model", it.Model},
		{"CivilCode", it.CivilCode},
		{"Address", it.Address},
	} {
		if clean(f.value) == "" {
			return errors.New(f.name + " is empty")
		}
	}
	if it.RegisterWay == 0 {
		return errors.New("RegisterWay is missing")
	}
	if !gb28181.ID(it.DeviceID).IsSystem() && it.Status != "ON" && it.Status != "OFF" {
		return fmt.Errorf("item with Status %q, not ON or OFF", it.Status)
	}
	return nil
}

// For returns the item as the edition wants it: fields of the other edition
// removed, BusinessGroupID in its place, and mandatory fields that have a
// neutral value filled in (Manufacturer and Model Unknown, Owner "0", RegisterWay 1, Address the Name, CivilCode
// the first digits of DeviceID, GrassrootsCode 000000). The receiver is not changed.
func (it Item) For(e gb28181.Edition) Item {
	if it.Name == "" {
		it.Name = it.DeviceID
	}
	if it.slim() {
		return it
	}
	if it.Manufacturer == "" {
		it.Manufacturer = "Unknown"
	}
	if it.Model == "" {
		it.Model = "Unknown"
	}
	if it.CivilCode == "" {
		it.CivilCode = gb28181.ID(it.DeviceID).CivilCode()
	}
	if it.Address == "" {
		it.Address = it.Name
	}
	if it.RegisterWay == 0 {
		it.RegisterWay = 1
	}
	var info ItemInfo
	if it.Info != nil {
		info = *it.Info
	}
	if e == gb28181.Edition2022 {
		it.to2022(&info)
	} else {
		it.to2016(&info)
	}
	it.Info = nil
	if info != (ItemInfo{}) {
		it.Info = &info
	}
	return it
}

func (it *Item) to2016(info *ItemInfo) {
	if it.Owner == "" {
		it.Owner = "0"
	}
	if it.SafetyWay == nil {
		it.SafetyWay = new(0)
	}
	if info.BusinessGroupID == "" {
		info.BusinessGroupID = it.BusinessGroupID
	}
	it.BusinessGroupID, it.SecurityLevelCode = "", ""
	*info = ItemInfo{
		PTZType: info.PTZType, PositionType: info.PositionType, RoomType: info.RoomType, UseType: info.UseType,
		SupplyLightType: info.SupplyLightType, DirectionType: info.DirectionType, Resolution: info.Resolution,
		BusinessGroupID: info.BusinessGroupID, DownloadSpeed: info.DownloadSpeed,
		SVCSpaceSupportMode: info.SVCSpaceSupportMode, SVCTimeSupportMode: info.SVCTimeSupportMode,
	}
	switch {
	case info.PTZType == PTZRemoteHalfDome:
		info.PTZType = PTZHalfDome
	case info.PTZType > PTZRemoteHalfDome:
		info.PTZType = 0
	}
}

func (it *Item) to2022(info *ItemInfo) {
	it.Owner, it.SafetyWay = "", nil
	it.CertNum, it.Certifiable, it.ErrCode, it.EndTime = "", nil, nil, ""
	if it.BusinessGroupID == "" {
		it.BusinessGroupID = info.BusinessGroupID
	}
	info.BusinessGroupID, info.PositionType, info.UseType = "", 0, 0
	if info.GrassrootsCode == "" && !gb28181.ID(it.DeviceID).IsSystem() {
		info.GrassrootsCode = "000000"
	}
}
