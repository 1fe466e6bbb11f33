package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
	"gbgate/rtsp/simcam"
)

// Line 2 of the list: keepalive.

func line2Keepalive(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{transport: transport, superior: "keepalive_interval = \"5s\"\n"})
		ctx := soon(t, 30*time.Second)
		if err := r.node.WaitState(ctx, func(s rehearsal.NodeState) bool { return s.Keepalives >= 3 }); err != nil {
			t.Fatal(err)
		}
		if s := r.node.State(); s.BadSNs != 0 || s.Status != "OK" || s.Registrations != 1 {
			t.Errorf("after three keepalives: %+v", s)
		}
		at := r.tape.in("<CmdType>Keepalive</CmdType>")
		for i := 1; i < len(at); i++ {
			if gap := at[i].Time.Sub(at[i-1].Time); gap < 4*time.Second {
				t.Errorf("keepalive %d comes %v after the one before", i+1, gap)
			}
		}
	})
}

func line2ThreeLosses(t *testing.T) { overBoth(t, line2LossesOver) }

func line2LossesOver(t *testing.T, transport string) {
	var deaf gate
	r := newRig(t, setup{
		transport: transport,
		superior:  "keepalive_interval = \"5s\"\nregister_retry = \"1s\"\n",
		platform: rehearsal.Config{Edit: func(q *sipua.Request, _ *sipua.Response) bool {
			return q.Method != "MESSAGE" || deaf.seen.Load() > 0
		}},
	})
	if err := r.node.WaitState(soon(t, 45*time.Second), func(s rehearsal.NodeState) bool {
		return s.Registrations >= 2
	}); err != nil {
		t.Fatal(err)
	}
	sns := map[string]bool{}
	for _, e := range r.tape.in("<CmdType>Keepalive</CmdType>") {
		_, sn, _ := strings.Cut(e.Raw, "<SN>")
		sn, _, _ = strings.Cut(sn, "<")
		sns[sn] = true
	}
	if len(sns) != 3 { // over TCP, too: a platform that stalls for a moment is not gone
		t.Errorf("%d keepalives were lost before the new registration, want 3", len(sns))
	}
	deaf.first(1)
	r.gateway.status(t, "registration", online)
}

// Who does not know us any more is registered at again at once, although attempts are a minute apart.
func line2Forgotten(t *testing.T) {
	for _, code := range []int{403, 404} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{
				superior: "keepalive_interval = \"5s\"\n",
				platform: rehearsal.Config{Edit: func(q *sipua.Request, res *sipua.Response) bool {
					if res.Code == 404 {
						res.Code, res.Reason = code, ""
					}
					return true
				}},
			})
			r.node.Forget()
			if err := r.node.WaitState(soon(t, 20*time.Second), func(s rehearsal.NodeState) bool {
				return s.Registered
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestLine2ConnectionReset(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{transport: "tcp"})
	if err := r.node.DropConnection(); err != nil {
		t.Fatal(err)
	}
	if err := r.node.WaitState(soon(t, 20*time.Second), func(s rehearsal.NodeState) bool {
		return s.Registrations == 2
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.node.DeviceInfo(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

// A platform that starts anew on the same address has forgotten everything; the next keepalive finds out.
func line2PlatformRestarts(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		cfg := rehearsal.Config{ID: demoPlatform, Password: "12345678"}
		first, err := rehearsal.Listen(cfg)
		if err != nil {
			t.Fatal(err)
		}
		stop := running(t, first.Run)
		s := setup{
			password: "12345678", transport: transport, superior: "keepalive_interval = \"5s\"\nregister_retry = \"2s\"\n",
		}
		startGateway(t, 0, s.rigConfig(first))
		node(t, first)
		stop()
		second, err := first.Again()
		if err != nil {
			t.Fatal(err)
		}
		background(t, second.Run)
		node(t, second)
	})
}

func line2BasicParamChangesTheInterval(t *testing.T) {
	r := newRig(t, setup{})
	res, err := r.node.DeviceConfig(t.Context(), "", manscdp.Settings{BasicParam: &manscdp.BasicParam{
		Expiration: 3600, HeartBeatInterval: 5, HeartBeatCount: 3,
	}})
	if err != nil || res.Result != "OK" {
		t.Fatalf("DeviceConfig: %+v, %v", res, err)
	}
	if err := r.node.WaitState(soon(t, 20*time.Second), func(s rehearsal.NodeState) bool {
		return s.Keepalives >= 2
	}); err != nil {
		t.Error(err)
	}
	got, err := r.node.ConfigDownload(t.Context(), "", "BasicParam")
	if err != nil || got.Result != "OK" || got.BasicParam == nil || got.BasicParam.HeartBeatInterval != 5 {
		t.Errorf("ConfigDownload: %+v, %v", got, err)
	}
}

// What a platform has set is there after a restart of the program: heartbeat, name, home position and guard.
func TestLine2SettingsSurviveARestart(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	device, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: cam.URL()})
	r := newRig(t, setup{
		compat: "video_loss_alarm = true\n", // DeviceStatus tells of the guard
		rest:   strings.Replace(cameraTOML("dome", channelID, "", "", ""), `url = ""`, `onvif = "`+device.URL()+`"`, 1),
	})
	ctx := soon(t, time.Minute)
	res, err := r.node.DeviceConfig(ctx, "", manscdp.Settings{BasicParam: &manscdp.BasicParam{
		Name: "一号站", HeartBeatInterval: 77, HeartBeatCount: 4,
	}})
	if err != nil || res.Result != "OK" {
		t.Fatalf("DeviceConfig: %+v, %v", res, err)
	}
	for _, c := range []manscdp.DeviceControl{
		{GuardCmd: "ResetGuard"}, {HomePosition: &manscdp.HomePosition{Enabled: 1, ResetTime: 3600}},
	} {
		if res, err := r.node.Command(ctx, channelID, c); err != nil || res.Result != "OK" {
			t.Fatalf("%s: %+v, %v", c.Kind(), res, err)
		}
	}
	if code := r.gateway.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	start(t, program(t), "run", "-c", r.gateway.config)
	if err := r.node.WaitState(ctx, func(s rehearsal.NodeState) bool { return s.Registrations == 2 }); err != nil {
		t.Fatal(err)
	}
	basic, err := r.node.ConfigDownload(ctx, "", "BasicParam")
	if err != nil || basic.BasicParam.HeartBeatInterval != 77 || basic.BasicParam.HeartBeatCount != 4 ||
		basic.BasicParam.Name != "一号站" {
		t.Errorf("BasicParam %+v, %v", basic.BasicParam, err)
	}
	home, err := r.node.HomePosition(ctx, channelID)
	if err != nil || home.HomePosition == nil || home.HomePosition.ResetTime != 3600 {
		t.Errorf("home position %+v, %v", home.HomePosition, err)
	}
	status, err := r.node.DeviceStatus(ctx, channelID)
	if err != nil || len(status.Alarms) != 1 || status.Alarms[0].DutyStatus != "OFFDUTY" {
		t.Errorf("DeviceStatus %+v, %v", status, err)
	}
}
