package sipua

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// framer cuts a TCP stream into messages. A message without Content-Length has no body: gowvp's ACK and BYE have none
// (RFC 3261 §18.3 wants it, sipgo closes the connection).
type framer struct {
	nc net.Conn
	r  *bufio.Reader
}

// errTooLarge is a message whose head was read and whose body is beyond the bound.
var errTooLarge = errors.New("message too large")

func newFramer(nc net.Conn) *framer {
	return &framer{nc: nc, r: bufio.NewReaderSize(nc, maxHead)}
}

// next gives the next whole message; it waits idle for it to begin. errNotSIP means that the stream cannot be read on.
func (f *framer) next(idle time.Duration) ([]byte, error) {
	if err := f.skipBlank(idle); err != nil {
		return nil, err
	}
	if err := f.nc.SetReadDeadline(time.Now().Add(messageTimeout)); err != nil {
		return nil, err
	}
	var msg []byte
	length := 0
	for lines := 0; ; lines++ {
		line, err := f.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("%w: line longer than %d bytes", errNotSIP, maxHead)
		}
		if err != nil {
			return nil, err
		}
		text := strings.TrimSpace(string(line))
		if lines == 0 {
			if _, err := repairStartLine(text); err != nil {
				return line, err
			}
		} else if text == "" {
			msg = append(msg, line...)
			break
		} else if name, value, ok := cutHeader(text); ok && strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(value); err != nil || length < 0 {
				return msg, fmt.Errorf("%w: Content-Length %q", errNotSIP, value)
			}
		}
		if msg = append(msg, line...); len(msg) > maxHead {
			return msg, fmt.Errorf("%w: more than %d bytes of headers", errNotSIP, maxHead)
		}
	}
	if length > maxMessage {
		return msg, fmt.Errorf("%w: body of %d bytes", errTooLarge, length)
	}
	head := len(msg)
	msg = append(msg, make([]byte, length)...)
	if _, err := io.ReadFull(f.r, msg[head:]); err != nil {
		return nil, err
	}
	return msg, nil
}

// skipBlank reads line ends and NULs between messages: keep-alives, and what follows a body whose length was counted
// without its last line end.
func (f *framer) skipBlank(idle time.Duration) error {
	for {
		if err := f.nc.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
		b, err := f.r.Peek(1)
		if err != nil {
			return err
		}
		if !bytes.ContainsAny(b, "\r\n\x00") {
			return nil
		}
		if _, err := f.r.Discard(1); err != nil {
			return err
		}
	}
}

// dropKind says in a few words what was thrown away.
func dropKind(err error) string {
	if errors.Is(err, errStranger) {
		return "request from a stranger"
	}
	return "not SIP"
}
