package onvif

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// switchNames are what cameras call the auxiliary switches of GB/T 28181-2022 annex A.3.6, of which
// only the wiper is the standard's; the others are custom.
func switchNames(n int) []string {
	switch n {
	case 1:
		return []string{"Wiper"}
	case 2:
		return []string{"IRLamp", "IR", "Light", "Lamp", "WhiteLight"}
	case 3:
		return []string{"Heater"}
	case 4:
		return []string{"Defog", "Defroster", "Demist"}
	case 5:
		return []string{"Fan", "Cooler"}
	case 6:
		return []string{"Washer", "WashingProcedure"}
	}
	return nil
}

// firstRelay is the number of the switch that is the first relay output: the first one that has no name by custom.
// GB/T 28181 has no command of its own for a relay output (报警输出).
const firstRelay = 7

// Switch turns an auxiliary switch, by the command that the camera lists for it: 1 wiper, 2 lamp, 3
// heater, 4 demister, 5 fan, 6 washer. From 7 on they are the relay outputs, in the order in which the
// camera lists them.
func (c *Camera) Switch(ctx context.Context, n int, on bool) error {
	if n >= firstRelay {
		return c.relay(ctx, n-firstRelay, on)
	}
	l, release, err := c.borrow(ctx)
	if err != nil {
		return err
	}
	defer release()
	state := "Off"
	if on {
		state = "On"
	}
	for _, name := range switchNames(n) {
		at := slices.IndexFunc(l.node.Auxiliary, func(command string) bool {
			return strings.EqualFold(local(command), name+"|"+state)
		})
		if at >= 0 {
			return c.forget(c.client.Auxiliary(ctx, l.ptz.Token, l.node.Auxiliary[at]))
		}
	}
	return &Error{Kind: ActionNotSupported, Op: "SendAuxiliaryCommand", Text: "camera lists no such switch"}
}

// relay switches the relay output at a place in the camera's list, from 0.
func (c *Camera) relay(ctx context.Context, at int, on bool) error {
	release, err := c.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	relays, err := c.client.Relays(ctx)
	switch {
	case err != nil:
		return err
	case at >= len(relays):
		return &Error{
			Kind: ActionNotSupported, Op: "SetRelayOutputState",
			Text: fmt.Sprintf("camera lists no relay output %d, it has %d", at+1, len(relays)),
		}
	}
	return c.client.SetRelay(ctx, relays[at], on)
}
