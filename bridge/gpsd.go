package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"time"
)

const (
	gpsdAddress = "127.0.0.1:2947"
	gpsdSilence = 30 * time.Second // gpsd reports about once a second
	gpsdLine    = 64 << 10         // bytes; a SKY report of all satellites has 8 KiB
	gpsdStale   = time.Minute      // a fix older than this is no fix
	gpsdWatch   = `?WATCH={"enable":true,"json":true};` + "\n"
)

// GPSD is the position that the local gpsd reports (its JSON protocol, version 3). It is a
// Positioner.
type GPSD struct {
	Address string // "" = 127.0.0.1:2947
	Backoff Retry  // between connections; zero: 1 s … 30 s
	Log     *slog.Logger

	mu       sync.Mutex
	fix      Fix
	received time.Time
}

// Run listens until ctx ends, connecting again and again.
func (g *GPSD) Run(ctx context.Context) error {
	log, retry := g.Log, g.Backoff
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if retry == (Retry{}) {
		retry = Retry{Min: time.Second, Max: 30 * time.Second}
	}
	for failures := 0; ; {
		reported, err := g.session(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if reported {
			failures = 0
		}
		failures++
		if failures == 1 {
			log.Warn("gpsd does not report", "reason", err.Error())
		}
		timer := time.NewTimer(retry.delay(failures, err))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// Fix returns the newest position.
func (g *GPSD) Fix() (Fix, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fix, !g.received.IsZero() && time.Since(g.received) < gpsdStale
}

// session listens on one connection; reported tells whether a report came.
func (g *GPSD) session(ctx context.Context) (reported bool, err error) {
	address := g.Address
	if address == "" {
		address = gpsdAddress
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	_ = conn.SetWriteDeadline(time.Now().Add(dialTimeout))
	if _, err := conn.Write([]byte(gpsdWatch)); err != nil {
		return false, err
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 4<<10), gpsdLine)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(gpsdSilence))
		if ctx.Err() != nil {
			return reported, context.Cause(ctx)
		}
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return reported, fmt.Errorf("gpsd: %w", err)
			}
			return reported, errors.New("gpsd closed the connection")
		}
		reported = g.report(lines.Bytes()) || reported
	}
}

// tpv is a time-position-velocity report.
type tpv struct {
	Class     string    `json:"class"`
	Mode      int       `json:"mode"` // 0 unknown, 1 no fix, 2 2D, 3 3D
	Time      time.Time `json:"time"`
	Longitude *float64  `json:"lon"`
	Latitude  *float64  `json:"lat"`
	MSL       *float64  `json:"altMSL"` // m, newer versions
	Altitude  float64   `json:"alt"`    // m
	Speed     float64   `json:"speed"`  // m/s
	Track     float64   `json:"track"`  // degrees from north
}

// report takes one line in and tells whether it was one of gpsd's.
func (g *GPSD) report(line []byte) bool {
	var r tpv
	if json.Unmarshal(line, &r) != nil || r.Class == "" {
		return false
	}
	if r.Class != "TPV" {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Mode < 2 || r.Longitude == nil || r.Latitude == nil ||
		math.Abs(*r.Longitude) > 180 || math.Abs(*r.Latitude) > 90 {
		return true // the last fix grows old
	}
	if r.MSL != nil {
		r.Altitude = *r.MSL
	}
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	g.received = time.Now()
	g.fix = Fix{
		Time: r.Time, Longitude: *r.Longitude, Latitude: *r.Latitude,
		Speed: r.Speed * 3.6, Direction: r.Track, Altitude: r.Altitude,
	}
	return true
}
