package manscdp

import (
	"errors"
	"fmt"
	"time"
)

// RecordInfoQuery asks for the recordings of a camera within a window (2022 A.2.4.5).
type RecordInfoQuery struct {
	Header
	Start           time.Time `gb:"StartTime"`
	End             time.Time `gb:"EndTime"`
	FilePath        string    `gb:"FilePath,opt"`
	Address         string    `gb:"Address,opt"`
	Secrecy         *int      `gb:"Secrecy,opt"`         // 0 public, 1 secret
	Type            string    `gb:"Type,opt"`            // time, alarm, manual or all; none means all
	RecorderID      string    `gb:"RecorderID,opt"`      // who started the recording
	IndistinctQuery *int      `gb:"IndistinctQuery,opt"` // 0 FilePath and Address are exact, 1 they are parts
	StreamNumber    *int      `gb:"StreamNumber,opt"`    // 2022, as the next two: 0 main, 1 sub …
	AlarmMethod     string    `gb:"AlarmMethod,opt"`
	AlarmType       string    `gb:"AlarmType,opt"`
}

// Root implements Message.
func (*RecordInfoQuery) Root() string { return Query }

// RecordInfoResponse is one part of the answer to a RecordInfoQuery (2022
// A.2.6.5). Every part repeats SN, DeviceID and SumNum: WVP takes a missing
// SumNum for "no recordings".
type RecordInfoResponse struct {
	Header
	Name   string       `gb:"Name,opt"`                       // of the camera
	SumNum int          `gb:"SumNum"`                         // items in all parts together
	Num    int          `gb:"RecordList@Num"`                 // as received; Encode writes the number of Items
	Items  []RecordItem `gb:"RecordList>Item,opt,num,answer"` // in this part, by rising Start
}

// Root implements Message.
func (*RecordInfoResponse) Root() string { return Response }

// check refuses what WVP drops the whole message for: two items of the same times.
func (r *RecordInfoResponse) check() error {
	seen := make(map[[2]int64]bool, len(r.Items))
	for i := range r.Items {
		times := [2]int64{r.Items[i].Start.Unix(), r.Items[i].End.Unix()}
		if seen[times] {
			return fmt.Errorf("times of Item%d are those of another item", i+1)
		}
		seen[times] = true
	}
	return checkSum(r.SumNum, len(r.Items))
}

// RecordItem is one recorded file. Its times are the file's own, not clamped to
// the query, since platforms ask for playback with them.
type RecordItem struct {
	DeviceID       string    `gb:"DeviceID"`
	Name           string    `gb:"Name"`
	FilePath       string    `gb:"FilePath,opt"`
	Address        string    `gb:"Address,opt"`
	Start          time.Time `gb:"StartTime"`
	End            time.Time `gb:"EndTime"`  // a file that is still written ends now
	Secrecy        int       `gb:"Secrecy"`  // 0 public, 1 secret. WVP wants a number
	Type           string    `gb:"Type,opt"` // time, alarm or manual
	RecorderID     string    `gb:"RecorderID,opt"`
	FileSize       int64     `gb:"FileSize,opt"`       // bytes
	RecordLocation string    `gb:"RecordLocation,opt"` // 2022, as the next
	StreamNumber   *int      `gb:"StreamNumber,opt"`   // 0 main, 1 sub …
}

func (it *RecordItem) check() error {
	if it.End.Before(it.Start) {
		return errors.New("EndTime is before StartTime")
	}
	return nil
}

// checkSum makes sure that a part does not hold more items than all parts together.
func checkSum(sum, items int) error {
	if sum < items {
		return fmt.Errorf("SumNum %d is below the %d items of this part", sum, items)
	}
	return nil
}
