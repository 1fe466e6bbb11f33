package rtsp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"gbgate/rtsp/simcam"
)

// serving is a server made of gortsplib's own server half: a camera with nothing wrong about it.
type serving struct {
	server *gortsplib.Server
	stream *gortsplib.ServerStream
}

func (s *serving) OnDescribe(*gortsplib.ServerHandlerOnDescribeCtx) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	return &base.Response{StatusCode: base.StatusOK}, s.stream, nil
}

func (s *serving) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, s.stream, nil
}

func (s *serving) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func TestGortsplibServer(t *testing.T) {
	for _, transport := range []string{"tcp", "udp", "auto"} {
		t.Run(transport, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			s := &serving{}
			var address string
			s.server = &gortsplib.Server{
				Handler: s, RTSPAddress: "127.0.0.1:0",
				Listen: func(network, at string) (net.Listener, error) {
					l, err := net.Listen(network, at)
					if err == nil {
						address = l.Addr().String()
					}
					return l, err
				},
			}
			err := errors.New("not tried")
			for range 20 { // somebody else may get the ports first
				if transport == "udp" {
					s.server.UDPRTPAddress, s.server.UDPRTCPAddress = freePorts(t)
				}
				if err = s.server.Start(); !errors.Is(err, syscall.EADDRINUSE) {
					break
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.server.Close()
			sps, _ := base64.StdEncoding.DecodeString(simcam.ScriptedSPS)
			pps, _ := base64.StdEncoding.DecodeString(simcam.ScriptedPPS)
			video := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{
				&format.H264{PayloadTyp: 96, SPS: sps, PPS: pps, PacketizationMode: 1},
			}}
			s.stream = &gortsplib.ServerStream{Server: s.server, Desc: &description.Session{Medias: []*description.Media{video}}}
			if err := s.stream.Initialize(); err != nil {
				t.Fatal(err)
			}
			defer s.stream.Close()
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				s.send(video, stop)
			}()
			url := "rtsp://" + address + "/live"
			if err := pull(t, url, Config{Transport: transport}); err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("got %v, want %v", err, errEnough)
			}
			close(stop)
			<-stopped
		})
	}
}

func (s *serving) send(video *description.Media, stop chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	seq := uint16(0)
	for picture := 0; ; picture++ {
		nals := simcam.ScriptedPicture(picture)
		for i, nal := range nals {
			seq++
			_ = s.stream.WritePacketRTP(video, &rtp.Packet{Header: rtp.Header{
				Version: 2, PayloadType: 96, SequenceNumber: seq, Timestamp: uint32(picture * 3600),
				SSRC: 1, Marker: i == len(nals)-1,
			}, Payload: nal})
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// freePorts finds an even port and its neighbour, which the server insists on.
func freePorts(t *testing.T) (rtpAddress, rtcpAddress string) {
	t.Helper()
	for range 100 {
		a, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		port := a.LocalAddr().(*net.UDPAddr).Port &^ 1
		_ = a.Close()
		one, err1 := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port))
		two, err2 := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port+1))
		if err1 == nil {
			_ = one.Close()
		}
		if err2 == nil {
			_ = two.Close()
		}
		if err1 == nil && err2 == nil {
			return fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", port+1)
		}
	}
	t.Fatal("no free pair of ports")
	return "", ""
}
