package rtpout

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// TestDrain waits for a receiver that reads late.
func TestDrain(t *testing.T) {
	s, c := dialled(t, Config{})
	_ = c.SetReadBuffer(16 << 10)
	if err := s.WritePack(t.Context(), 90_000, 0, [][]byte{make([]byte, 60_000)}); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing was read, and Drain says %v", err)
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	if err := s.Drain(t.Context()); err != nil {
		t.Errorf("all is read, and Drain says %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Drain(t.Context()); err == nil && s.Err() == nil {
		t.Error("a closed sender has drained")
	}
}
