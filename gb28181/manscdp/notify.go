package manscdp

import (
	"fmt"
	"strings"
	"time"
)

// CatalogNotify tells a subscriber what changed in the catalog (2022 A.2.5.5, Annex N).
type CatalogNotify struct {
	Header
	SumNum int          `gb:"SumNum"`         // changes in this notification
	Num    int          `gb:"DeviceList@Num"` // as received; Encode writes the number of Items
	Items  []NotifyItem `gb:"DeviceList>Item,opt,num"`
}

// Root implements Message.
func (*CatalogNotify) Root() string { return Notify }

func (n *CatalogNotify) check() error { return checkSum(n.SumNum, len(n.Items)) }

// Events of a NotifyItem.
const (
	EventOn     = "ON"
	EventOff    = "OFF"
	EventVLost  = "VLOST"  // the video is lost
	EventDefect = "DEFECT" // the device is faulty
	EventAdd    = "ADD"
	EventDel    = "DEL"
	EventUpdate = "UPDATE"
)

// NotifyItem is one change of a catalog. Encode writes the whole item for ADD
// and UPDATE, and nothing but DeviceID and Event for the others.
type NotifyItem struct {
	Item
	Event string `gb:"Event"`
}

// briefItem is a change that says no more than what became of the device.
type briefItem struct {
	DeviceID string `gb:"DeviceID"`
	Event    string `gb:"Event"`
}

// fullItem is a change that carries the item.
type fullItem NotifyItem

// wire returns what Encode writes for the item.
func (n *NotifyItem) wire() (any, error) {
	switch event := strings.ToUpper(n.Event); event {
	case EventAdd, EventUpdate:
		return &fullItem{Item: n.Item, Event: event}, nil
	case EventOn, EventOff, EventVLost, EventDefect, EventDel:
		return &briefItem{DeviceID: n.DeviceID, Event: event}, nil
	}
	return nil, fmt.Errorf("no event %q", n.Event)
}

// MediaStatusNotify says that a playback or download has sent all it had. It
// travels inside the dialog of its INVITE (2022 A.2.5.4).
type MediaStatusNotify struct {
	Header
	NotifyType string `gb:"NotifyType"`
}

// Root implements Message.
func (*MediaStatusNotify) Root() string { return Notify }

// MediaStatusEnd is the NotifyType of media that were sent to their end.
const MediaStatusEnd = "121"

// UploadSnapShotFinished lists the pictures that were uploaded for a SnapShotConfig (2022 A.2.5.7).
type UploadSnapShotFinished struct {
	Header
	SessionID string   `gb:"SessionID"`
	Files     []string `gb:"SnapShotList>SnapShotFileID,always"` // 41 digits each; none means failure
}

// Root implements Message.
func (*UploadSnapShotFinished) Root() string { return Notify }

// VideoUploadNotify says that a mobile device is back and uploads its recordings (2022 A.2.5.8).
type VideoUploadNotify struct {
	Header
	Time      time.Time `gb:"Time"`
	Longitude *float64  `gb:"Longitude,opt,prec=6"`
	Latitude  *float64  `gb:"Latitude,opt,prec=6"`
}

// Root implements Message.
func (*VideoUploadNotify) Root() string { return Notify }

// DeviceUpgradeResult tells how a DeviceUpgrade ended (2022 §9.13).
type DeviceUpgradeResult struct {
	Header
	SessionID string `gb:"SessionID"`
	Result    string `gb:"UpgradeResult"` // OK or ERROR
	Firmware  string `gb:"Firmware"`      // version that runs now
	Reason    string `gb:"UpgradeFailedReason,opt"`
}

// Root implements Message.
func (*DeviceUpgradeResult) Root() string { return Notify }

// Values of DeviceUpgradeResult.Reason.
const (
	UpgradeTimeout   = "01" // the download took too long
	UpgradeDamaged   = "02" // the package is damaged
	UpgradeException = "03" // the system failed
	UpgradeOther     = "99"
)
