package config

import (
	"fmt"
	"reflect"
)

// inactive lists the keys, by table, that are understood but whose feature is not built: config.toml
// marks the same ones, which a test holds. Who builds a feature strikes its keys here and there.
func inactive() map[string][]string {
	return map[string][]string{
		"admin": {"password_file"},
		"superior.compat": {
			"broadcast", "broadcast_transport", "broadcast_invite_from", "broadcast_offer_y", "talk",
		},
	}
}

// Inactive names the settings of c that differ from what they would be without being given (the
// default, or the profile's value) and that have no effect yet.
func (c *Config) Inactive() []string {
	d := Default()
	keys := given("gateway", "gateway", c.Gateway, d.Gateway)
	keys = append(keys, given("admin", "admin", c.Admin, d.Admin)...)
	for i, s := range c.Superiors {
		where := keyOf("superior", i, s.Name)
		keys = append(keys, given(where, "superior", s, DefaultSuperior())...)
		without := DefaultCompat()
		without.applyProfile(s.Compat.Profile)
		keys = append(keys, given(where+".compat", "superior.compat", s.Compat, without)...)
	}
	for i, cam := range c.Cameras {
		keys = append(keys, given(keyOf("camera", i, cam.Name), "camera", cam, DefaultCamera())...)
	}
	return keys
}

// given lists the inactive keys of one table whose value is not that of without.
func given(where, table string, value, without any) []string {
	var keys []string
	v, w := reflect.ValueOf(value), reflect.ValueOf(without)
	for _, key := range inactive()[table] {
		f, ok := fieldOf(v.Type(), key)
		if !ok || same(v.FieldByIndex(f.Index), w.FieldByIndex(f.Index)) {
			continue
		}
		keys = append(keys, where+"."+key)
	}
	return keys
}

func same(a, b reflect.Value) bool { return fmt.Sprint(a.Interface()) == fmt.Sprint(b.Interface()) }

// fieldOf finds the field of a table that a key fills.
func fieldOf(table reflect.Type, key string) (reflect.StructField, bool) {
	for _, f := range reflect.VisibleFields(table) {
		if f.Tag.Get("toml") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}
