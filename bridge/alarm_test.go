package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/manscdp"
)

func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := NewSite(Config{}, []Camera{
			{Name: "gate", ID: gate, Source: &probe{}}, {Name: "yard", ID: yard, Source: &probe{}},
		})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, AllowConfig: allowed, VideoLossAlarm: true})
		l, stop := running(t, site, v)
		synctest.Wait()
		loss := Alarm{Method: manscdp.AlarmDevice, Type: manscdp.DeviceVideoLoss}
		motion := Alarm{Method: manscdp.AlarmVideo, Type: manscdp.VideoMotion}
		field := Alarm{Method: manscdp.AlarmVideo, Type: manscdp.VideoIntrusion}
		control := func(c manscdp.DeviceControl, id string) func() {
			return func() {
				c.Header = manscdp.Header{SN: "1", DeviceID: id}
				answer, err := v.DeviceControl(t.Context(), &c)
				if err != nil || answer == nil || answer.Result != manscdp.OK {
					t.Errorf("%+v: %+v %v", c, answer, err)
				}
			}
		}
		report := func(id string, r manscdp.AlarmReport) func() {
			return func() {
				answer, err := v.DeviceConfig(t.Context(), &manscdp.DeviceConfig{
					Header: manscdp.Header{DeviceID: id}, Settings: manscdp.Settings{AlarmReport: &r},
				})
				if err != nil || answer.Result != manscdp.OK {
					t.Errorf("%+v: %+v %v", r, answer, err)
				}
			}
		}
		wait := func(d time.Duration) func() { return func() { time.Sleep(d) } }
		duty := func() string {
			answer, err := v.DeviceStatus(t.Context(), &manscdp.DeviceStatusQuery{Header: manscdp.Header{DeviceID: gate}})
			if err != nil || len(answer.Alarms) != 1 {
				t.Fatalf("%+v %v", answer, err)
			}
			return answer.Alarms[0].DutyStatus
		}
		for _, step := range []struct {
			name  string
			first func()
			alarm Alarm
			told  bool
			duty  string
		}{
			{"the first", nil, loss, true, "ALARM"},
			{"latched", nil, loss, false, "ALARM"},
			{"a video alarm has no latch", nil, motion, true, "ALARM"},
			{"reset", control(manscdp.DeviceControl{AlarmCmd: "ResetAlarm"}, gate), loss, true, "ALARM"},
			{"reset through the node", control(manscdp.DeviceControl{AlarmCmd: "ResetAlarm"}, node), loss, true, "ALARM"},
			{"still latched", wait(299 * time.Second), loss, false, "ALARM"},
			{"released by itself", wait(time.Second), loss, true, "ALARM"},
			{"disarmed", control(manscdp.DeviceControl{GuardCmd: "ResetGuard"}, gate), motion, false, "OFFDUTY"},
			{"armed", control(manscdp.DeviceControl{GuardCmd: "SetGuard"}, gate), motion, true, "ALARM"},
			{"all disarmed", control(manscdp.DeviceControl{GuardCmd: "ResetGuard"}, node), motion, false, "OFFDUTY"},
			{"all armed", control(manscdp.DeviceControl{GuardCmd: "SetGuard"}, node), motion, true, "ALARM"},
			{"motion off", report(gate, manscdp.AlarmReport{MotionDetection: new(0)}), motion, false, "ALARM"},
			{"but not intrusion", nil, field, true, "ALARM"},
			{"intrusion off", report(node, manscdp.AlarmReport{FieldDetection: new(0)}), field, false, "ALARM"},
			{"motion on", report(gate, manscdp.AlarmReport{MotionDetection: new(1)}), motion, true, "ALARM"},
			{"long after", wait(time.Hour), field, false, "ONDUTY"},
		} {
			if step.first != nil {
				step.first()
			}
			site.Raise("gate", step.alarm)
			synctest.Wait()
			if got := l.take(); (len(got) == 1) != step.told || len(got) > 1 {
				t.Errorf("%s: told %v, want %v", step.name, got, step.told)
			}
			if got := duty(); got != step.duty {
				t.Errorf("%s: %s, want %s", step.name, got, step.duty)
			}
		}
		site.Raise("yard", loss)
		site.Raise("nobody", loss)
		synctest.Wait()
		if got := l.take(); len(got) != 1 || !strings.Contains(got[0], yard) {
			t.Errorf("the other camera's alarm: %v", got)
		}
		stop()
	})
}

// TestAlarmsAreWatched: recorders hear of every alarm, of what goes on, and of the gateway's own troubles, which
// the superior is told under our code.
func TestAlarmsAreWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		motion := Event{Alarm: Alarm{Method: 5, Type: 2}, State: "motion", Active: true}
		cam := Camera{Name: "gate", ID: gate, Source: &probe{}, AlarmInterval: 10 * time.Second, Lookout: &script{
			attempts: []attempt{
				{lasts: time.Second, err: errors.New("starting")}, // until everybody listens
				{events: []Event{motion}, lasts: time.Minute, err: errors.New("gone")},
			},
		}}
		site := NewSite(Config{}, []Camera{cam})
		var heard []string
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() {
			_ = site.WatchAlarms(ctx, func(camera string, a Alarm) {
				heard = append(heard, fmt.Sprintf("%q %d/%d", camera, a.Method, a.Type))
			}, func(camera string, on bool) { heard = append(heard, fmt.Sprintf("%q %v", camera, on)) })
		})
		synctest.Wait()
		l, stop := running(t, site, site.View(ViewConfig{NodeID: node, Channels: []string{"*"}}))
		time.Sleep(2 * time.Minute)
		site.Raise("", Alarm{Method: manscdp.AlarmFault, Type: manscdp.FaultDisk, Description: "broken"})
		synctest.Wait()
		stop()
		cancel()
		watching.Wait()
		if got, want := strings.Join(heard, ", "), `"gate" 5/2, "gate" true, "gate" false, "" 6/1`; got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
		if got, want := strings.Join(l.lines, ", "), "alarm 5/2 "+gate+" , alarm 6/1 "+node+" broken"; got != want {
			t.Errorf("the superior was told %s, want %s", got, want)
		}
	})
}
