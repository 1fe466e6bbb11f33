package onvif

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxPreset is the largest preset number (GB/T 28181-2022 annex A.3.4: one byte, 0 reserved).
const maxPreset = 255

// Preset is a preset as the upper shore knows it.
type Preset struct {
	Number int    `json:"number"` // 1 … 255
	Token  string `json:"token"`  // the camera's own name for it
	Name   string `json:"name"`   // what it was called from above, which the camera may not be able to keep
}

// PresetStore keeps one camera's presets. Load without anything kept returns nothing and no error.
type PresetStore interface {
	Load() ([]Preset, error)
	Save([]Preset) error
}

// numbers maps preset numbers to tokens. The camera's turn guards it.
type numbers struct {
	store  PresetStore
	loaded bool
	list   []Preset // by number
}

func (n *numbers) load() error {
	if n.loaded || n.store == nil {
		return nil
	}
	list, err := n.store.Load()
	if err != nil {
		return fmt.Errorf("presets: %w", err)
	}
	n.fill(list)
	return nil
}

// fill makes the map of a list that was kept.
func (n *numbers) fill(list []Preset) {
	n.list = nil
	for _, p := range list {
		if p.Number >= 1 && p.Number <= maxPreset && p.Token != "" {
			n.put(p)
		}
	}
	n.loaded = true
}

// put takes a preset in; whatever had its number or token goes.
func (n *numbers) put(p Preset) {
	n.list = slices.DeleteFunc(n.list, func(o Preset) bool { return o.Number == p.Number || o.Token == p.Token })
	n.list = append(n.list, p)
	slices.SortFunc(n.list, func(a, b Preset) int { return cmp.Compare(a.Number, b.Number) })
}

func (n *numbers) drop(number int) {
	n.list = slices.DeleteFunc(n.list, func(o Preset) bool { return o.Number == number })
}

func (n *numbers) byNumber(number int) (Preset, bool) {
	i := slices.IndexFunc(n.list, func(p Preset) bool { return p.Number == number })
	if i < 0 {
		return Preset{}, false
	}
	return n.list[i], true
}

func (n *numbers) save() error {
	if n.store == nil {
		return nil
	}
	if err := n.store.Save(slices.Clone(n.list)); err != nil {
		return fmt.Errorf("presets: %w", err)
	}
	return nil
}

// merge takes the camera's list in: what it no longer has goes, tokens that are numbers from 1 to
// 255 stand for themselves, names like "preset3" for theirs, which a map that was lost finds again; the others get
// the lowest free numbers in the camera's order.
func (n *numbers) merge(device []DevicePreset) (changed bool) {
	before := slices.Clone(n.list)
	n.list = slices.DeleteFunc(n.list, func(p Preset) bool {
		return !slices.ContainsFunc(device, func(d DevicePreset) bool { return d.Token == p.Token })
	})
	has := func(token string) bool {
		return slices.ContainsFunc(n.list, func(p Preset) bool { return p.Token == token })
	}
	for _, numberOf := range []func(DevicePreset) string{
		func(d DevicePreset) string { return d.Token }, func(d DevicePreset) string { return numberIn(d.Name) },
	} {
		for _, d := range device {
			number, err := strconv.Atoi(numberOf(d))
			_, taken := n.byNumber(number)
			if err == nil && number >= 1 && number <= maxPreset && !taken && !has(d.Token) {
				n.put(Preset{Number: number, Token: d.Token, Name: d.Name})
			}
		}
	}
	free := 1
	for _, d := range device {
		if has(d.Token) {
			continue
		}
		for _, taken := n.byNumber(free); taken; _, taken = n.byNumber(free) {
			free++
		}
		if free > maxPreset {
			break
		}
		n.put(Preset{Number: free, Token: d.Token, Name: d.Name})
	}
	return !slices.Equal(before, n.list)
}

// numberIn takes the number out of a name that makers and we give to presets without one: "preset3", "Preset 3",
// "预置点3"; "" where it is no such name.
func numberIn(name string) string {
	name = strings.ToLower(name)
	for _, word := range []string{"preset", "预置点"} {
		if rest, ok := strings.CutPrefix(name, word); ok {
			return strings.TrimLeft(rest, " _-")
		}
	}
	return ""
}

// refresh brings the map up to date. A camera that lists no presets at all keeps the map.
func (c *Camera) refresh(ctx context.Context, l *layout) error {
	if err := c.load(); err != nil {
		return err
	}
	device, err := c.client.DevicePresets(ctx, l.ptz.Token)
	switch {
	case kindOf(err) == ActionNotSupported:
		return nil
	case err != nil:
		return c.forget(err)
	case c.merge(device):
		return c.save()
	}
	return nil
}

// hold borrows the camera for work on presets, with the map up to date.
func (c *Camera) hold(ctx context.Context) (*layout, func(), error) {
	l, release, err := c.borrow(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := c.refresh(ctx, l); err != nil {
		release()
		return nil, nil, err
	}
	return l, release, nil
}

// Presets lists the presets by number.
func (c *Camera) Presets(ctx context.Context) ([]Preset, error) {
	_, release, err := c.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return slices.Clone(c.list), nil
}

// KeptPresets is the map as it is kept. It does not ask the device.
func (c *Camera) KeptPresets(ctx context.Context) ([]Preset, error) {
	release, err := c.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := c.load(); err != nil {
		return nil, err
	}
	return slices.Clone(c.list), nil
}

// ReplacePresets puts another map, nil for none, in the place of this one: it is another device than the one that this
// was made of. What presets the device itself has, it keeps.
func (c *Camera) ReplacePresets(ctx context.Context, list []Preset) error {
	release, err := c.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	c.fill(list)
	return c.save()
}

// SetPreset stores where the camera looks now as preset n. The camera keeps name only if it is
// ASCII (onvif_simple_server refuses others); the map keeps it as it is.
func (c *Camera) SetPreset(ctx context.Context, n int, name string) error {
	if n < 1 || n > maxPreset {
		return fmt.Errorf("preset %d: not from 1 to %d", n, maxPreset)
	}
	l, release, err := c.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	plain := name
	if name == "" || !ascii(name) || len(name) > 64 {
		plain = "preset" + strconv.Itoa(n)
	}
	known, ok := c.byNumber(n)
	token := known.Token
	if ok {
		token, err = c.client.SetDevicePreset(ctx, l.ptz.Token, known.Token, plain)
	}
	if !ok || kindOf(err) == InvalidArgs {
		token, err = c.client.SetDevicePreset(ctx, l.ptz.Token, "", plain)
	}
	if k := kindOf(err); k == InvalidArgs || k == NotONVIF {
		// Some make no presets, they only fill their own slots.
		token, err = c.client.SetDevicePreset(ctx, l.ptz.Token, strconv.Itoa(n), plain)
	}
	if err != nil {
		return c.forget(err)
	}
	c.put(Preset{Number: n, Token: token, Name: cmp.Or(name, plain)})
	return c.save()
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// GotoPreset goes to preset n.
func (c *Camera) GotoPreset(ctx context.Context, n int) error {
	l, release, stale, err := c.begin(ctx)
	if err != nil || stale {
		return err
	}
	defer release()
	if err := c.load(); err != nil {
		return err
	}
	p, ok := c.byNumber(n)
	if !ok {
		if err := c.refresh(ctx, l); err != nil {
			return err
		}
		if p, ok = c.byNumber(n); !ok {
			return fmt.Errorf("preset %d is not set", n)
		}
	}
	return c.forget(c.client.GotoDevicePreset(ctx, l.ptz.Token, p.Token))
}

// RemovePreset forgets preset n; one that is not set is no error.
func (c *Camera) RemovePreset(ctx context.Context, n int) error {
	l, release, err := c.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	p, ok := c.byNumber(n)
	if !ok {
		return nil
	}
	if err := c.client.RemoveDevicePreset(ctx, l.ptz.Token, p.Token); err != nil && kindOf(err) != InvalidArgs {
		return err
	}
	c.drop(n)
	return c.save()
}
