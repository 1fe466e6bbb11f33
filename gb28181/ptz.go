package gb28181

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// PTZOp is what a front-end control instruction does (2022 Annex A.3).
type PTZOp uint8

// The operations. Cruise and scan end with a PTZMove that stops.
const (
	PTZMove              PTZOp = iota // Pan, Tilt, Zoom and their speeds; all zero stops everything
	PTZLens                           // Focus, Iris and their speeds; both zero stops the lens
	PTZSetPreset                      // Preset
	PTZGotoPreset                     // Preset
	PTZDeletePreset                   // Preset
	PTZAddCruisePoint                 // Group, Preset
	PTZDeleteCruisePoint              // Group, Preset; preset 0 deletes the whole cruise
	PTZCruiseSpeed                    // Group, Value
	PTZCruiseDwell                    // Group, Value in seconds
	PTZStartCruise                    // Group
	PTZStartScan                      // Group
	PTZScanLeft                       // Group: the left border is where the camera looks now
	PTZScanRight                      // Group: the right border is where the camera looks now
	PTZScanSpeed                      // Group, Value
	PTZAuxOn                          // Switch
	PTZAuxOff                         // Switch
)

// PTZCommand is one decoded front-end control instruction. Only the fields
// named at its Op mean anything.
type PTZCommand struct {
	Op      PTZOp
	Address uint16 // 0 to 0xFFF. Superiors send 0 or 1 whatever the camera; the channel is the message's DeviceID

	Pan       int8  // -1 left, +1 right
	Tilt      int8  // -1 down, +1 up
	Zoom      int8  // -1 out, +1 in
	PanSpeed  uint8 // 0 (slowest, not stop) to 255
	TiltSpeed uint8 // 0 (slowest, not stop) to 255
	ZoomSpeed uint8 // 0 (slowest, not stop) to 15

	Focus      int8 // -1 near, +1 far
	Iris       int8 // -1 close, +1 open
	FocusSpeed uint8
	IrisSpeed  uint8

	Group  uint8  // cruise or scan group. With presets the standard wants 0 and WVP sends 1: no meaning
	Preset uint8  // 1 to 255
	Value  uint16 // 12 bits: speed, or dwell in seconds
	Switch uint8  // auxiliary switch; 1 is the wiper, 2 by custom the infrared lamp

	// BadChecksum is set by ParsePTZ when it let a wrong checksum pass. Encode ignores it.
	BadChecksum bool
}

// ParsePTZ reads a PTZCmd: 16 hexadecimal digits in either case, blanks allowed
// between them. The instruction must begin with A5. A wrong checksum is an
// error when strict is set and otherwise only noted, as platforms with wrong
// checksums exist. Opposite directions at once (left and right) cancel out.
func ParsePTZ(text string, strict bool) (PTZCommand, error) {
	raw, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(raw) != 8 {
		return PTZCommand{}, fmt.Errorf("PTZ instruction %.40q is not 16 hexadecimal digits", text)
	}
	b := [8]byte(raw)
	if b[0] != 0xa5 {
		return PTZCommand{}, fmt.Errorf("PTZ instruction %s does not begin with A5", text)
	}
	bad := b[7] != checksum(b)
	if bad && strict {
		return PTZCommand{}, fmt.Errorf("PTZ instruction %s: checksum is %02X, not %02X", text, checksum(b), b[7])
	}
	c := PTZCommand{Address: uint16(b[6]&0x0f)<<8 | uint16(b[2]), BadChecksum: bad}
	switch {
	case b[3]&0xc0 == 0:
		c.parseMove(b)
	case b[3]&0xf0 == 0x40:
		c.parseLens(b)
	case !c.parseFunction(b):
		return PTZCommand{}, fmt.Errorf("PTZ instruction %s: unknown command %02X", text, b[3])
	}
	return c, nil
}

// IsStop tells whether c stops pan, tilt and zoom (and with them a cruise or
// scan) or, for PTZLens, focus and iris.
func (c PTZCommand) IsStop() bool {
	switch c.Op {
	case PTZMove:
		return c.Pan == 0 && c.Tilt == 0 && c.Zoom == 0
	case PTZLens:
		return c.Focus == 0 && c.Iris == 0
	default:
		return false
	}
}

// Encode returns the 16 upper-case hexadecimal digits of c with the right checksum.
func (c PTZCommand) Encode() string {
	var b [8]byte
	b[0], b[1], b[2] = 0xa5, 0x0f, byte(c.Address)
	switch c.Op {
	case PTZMove:
		b[3] = bits(c.Zoom, 0x20, 0x10) | bits(c.Tilt, 0x04, 0x08) | bits(c.Pan, 0x02, 0x01)
		b[4], b[5], b[6] = c.PanSpeed, c.TiltSpeed, c.ZoomSpeed<<4
	case PTZLens:
		b[3] = 0x40 | bits(c.Iris, 0x08, 0x04) | bits(c.Focus, 0x02, 0x01)
		b[4], b[5] = c.FocusSpeed, c.IrisSpeed
	default:
		b[3], b[4], b[5], b[6] = c.function()
	}
	b[6] |= byte(c.Address >> 8 & 0x0f)
	b[7] = checksum(b)
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

func (c *PTZCommand) parseMove(b [8]byte) {
	c.Op = PTZMove
	c.Pan = direction(b[3], 0x02, 0x01)
	c.Tilt = direction(b[3], 0x04, 0x08)
	c.Zoom = direction(b[3], 0x20, 0x10)
	c.PanSpeed, c.TiltSpeed, c.ZoomSpeed = b[4], b[5], b[6]>>4
}

func (c *PTZCommand) parseLens(b [8]byte) {
	c.Op = PTZLens
	c.Focus = direction(b[3], 0x02, 0x01)
	c.Iris = direction(b[3], 0x08, 0x04)
	c.FocusSpeed, c.IrisSpeed = b[4], b[5]
}

func (c *PTZCommand) parseFunction(b [8]byte) bool {
	c.Group = b[4]
	value := uint16(b[6]>>4)<<8 | uint16(b[5])
	switch b[3] {
	case 0x81:
		c.Op, c.Preset = PTZSetPreset, b[5]
	case 0x82:
		c.Op, c.Preset = PTZGotoPreset, b[5]
	case 0x83:
		c.Op, c.Preset = PTZDeletePreset, b[5]
	case 0x84:
		c.Op, c.Preset = PTZAddCruisePoint, b[5]
	case 0x85:
		c.Op, c.Preset = PTZDeleteCruisePoint, b[5]
	case 0x86:
		c.Op, c.Value = PTZCruiseSpeed, value
	case 0x87:
		c.Op, c.Value = PTZCruiseDwell, value
	case 0x88:
		c.Op = PTZStartCruise
	case 0x89:
		if b[5] > 2 {
			return false
		}
		c.Op = PTZStartScan + PTZOp(b[5])
	case 0x8a:
		c.Op, c.Value = PTZScanSpeed, value
	case 0x8c, 0x8d:
		c.Op = PTZAuxOn + PTZOp(b[3]-0x8c)
		// The standard numbers the switch in data 1; WVP reads it from data 2.
		c.Group, c.Switch = 0, b[4]
		if c.Switch == 0 {
			c.Switch = b[5]
		}
	default:
		return false
	}
	return true
}

// function returns the command and data bytes of every Op above PTZLens.
func (c PTZCommand) function() (command, data1, data2, data3 byte) {
	low, high := byte(c.Value), byte(c.Value>>8)<<4
	switch c.Op {
	case PTZSetPreset:
		return 0x81, c.Group, c.Preset, 0
	case PTZGotoPreset:
		return 0x82, c.Group, c.Preset, 0
	case PTZDeletePreset:
		return 0x83, c.Group, c.Preset, 0
	case PTZAddCruisePoint:
		return 0x84, c.Group, c.Preset, 0
	case PTZDeleteCruisePoint:
		return 0x85, c.Group, c.Preset, 0
	case PTZCruiseSpeed:
		return 0x86, c.Group, low, high
	case PTZCruiseDwell:
		return 0x87, c.Group, low, high
	case PTZStartCruise:
		return 0x88, c.Group, 0, 0
	case PTZStartScan, PTZScanLeft, PTZScanRight:
		return 0x89, c.Group, byte(c.Op - PTZStartScan), 0
	case PTZScanSpeed:
		return 0x8a, c.Group, low, high
	case PTZAuxOn:
		return 0x8c, c.Switch, 0, 0
	case PTZAuxOff:
		return 0x8d, c.Switch, 0, 0
	case PTZMove, PTZLens:
	}
	return 0, 0, 0, 0
}

func checksum(b [8]byte) byte {
	var sum byte
	for _, v := range b[:7] {
		sum += v
	}
	return sum
}

// direction reads one axis: neither or both bits set is no movement.
func direction(command, minus, plus byte) int8 {
	switch command & (minus | plus) {
	case minus:
		return -1
	case plus:
		return 1
	default:
		return 0
	}
}

func bits(direction int8, minus, plus byte) byte {
	switch {
	case direction < 0:
		return minus
	case direction > 0:
		return plus
	default:
		return 0
	}
}
