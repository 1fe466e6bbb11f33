package cascade

import (
	"strings"
	"testing"

	"gbgate/gb28181/manscdp"
)

// What Compat says of the way messages are written.
func TestQuirksOfTheText(t *testing.T) {
	catalog := &manscdp.CatalogResponse{}
	download := &manscdp.ConfigDownloadResponse{Result: manscdp.OK}
	download.SnapShotConfig = &manscdp.SnapShotConfig{
		SnapNum: 1, Interval: 1, UploadURL: "http://192.0.2.1/", SessionID: strings.Repeat("1", 32),
	}
	info := &manscdp.DeviceInfoResponse{Result: manscdp.OK, DeviceName: "镕", Manufacturer: "gbgate"}
	for _, tt := range []struct {
		compat  Compat
		m       manscdp.Message
		has     string
		without string
	}{
		{Compat{}, catalog, "<SumNum>0</SumNum>", "DeviceList"},
		{Compat{EmptyLists: true}, catalog, `<DeviceList Num="0">`, "Item"},
		{Compat{}, download, "<SnapShotConfig>", "<SnapShot>"},
		{Compat{SnapShotAnswer: true}, download, "<SnapShot>", "<SnapShotConfig>"},
		{Compat{}, info, "<DeviceName>\xe9F</DeviceName>", "?</"},
		{Compat{StrictGB2312: true}, info, "<DeviceName>?</DeviceName>", "\xe9F"},
		{Compat{StrictGB2312: true, Charset: "GB2312"}, info, "<DeviceName>?</DeviceName>", "\xe9F"},
		{Compat{StrictGB2312: true, Charset: "GB18030"}, info, "<DeviceName>\xe9F</DeviceName>", "?</"},
	} {
		p := newPlatform(Config{ID: superiorID, NodeID: nodeID, Compat: tt.compat}, nil, nil, nil)
		*tt.m.Head() = manscdp.Header{CmdType: tt.m.Head().CmdType, SN: "1", DeviceID: nodeID}
		text, err := p.encode(tt.m)
		if err != nil {
			t.Errorf("%T: %v", tt.m, err)
			continue
		}
		if got := string(text); !strings.Contains(got, tt.has) || strings.Contains(got, tt.without) {
			t.Errorf("%+v: %q, want %q and not %q", tt.compat, got, tt.has, tt.without)
		}
	}
	if download.SnapShotConfig == nil {
		t.Error("the site's answer was changed")
	}
}

// Pages are as full as they may be, and no fuller, whether an empty list is written or not.
func TestPagesFitWithEmptyLists(t *testing.T) {
	counts := map[bool]int{}
	for _, empty := range []bool{false, true} {
		p := newPlatform(Config{
			ID: superiorID, NodeID: nodeID, Compat: Compat{EmptyLists: empty},
		}, nil, &testSite{}, nil)
		q := &manscdp.CatalogQuery{Header: manscdp.Header{CmdType: "Catalog", SN: "1", DeviceID: nodeID}}
		for n := range 12 {
			parts, err := p.catalogParts(q, cameras(n, true), superiorID)
			if err != nil {
				t.Fatal(err)
			}
			items := 0
			for _, body := range parts {
				m, err := manscdp.Decode(body)
				if err != nil {
					t.Fatal(err)
				}
				items += len(m.(*manscdp.CatalogResponse).Items)
				if size := messageSize(p.envelope(body, superiorID), p.route()); size > 1300 {
					t.Errorf("empty lists %v, %d cameras: a message of %d bytes", empty, n, size)
				}
			}
			if items != n {
				t.Errorf("empty lists %v: %d of %d cameras", empty, items, n)
			}
			counts[empty] += len(parts)
			if has := strings.Contains(string(parts[0]), "<DeviceList"); n == 0 && has != empty {
				t.Errorf("empty lists %v: DeviceList %v", empty, has)
			}
		}
	}
	if counts[true] != counts[false] {
		t.Errorf("%d parts with empty lists, %d without", counts[true], counts[false])
	}
}
