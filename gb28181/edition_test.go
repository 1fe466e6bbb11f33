package gb28181

import "testing"

func TestEdition(t *testing.T) {
	for in, want := range map[string]Edition{
		"1.0": Edition2016, "1.1": Edition2016, "2.0": Edition2016, " 2 ": Edition2016, "2011": Edition2016,
		"2014": Edition2016, "2016": Edition2016, "3.0": Edition2022, "3": Edition2022, "3.1": Edition2022,
		"2022": Edition2022,
	} {
		if got, ok := ParseEdition(in); !ok || got != want {
			t.Errorf("ParseEdition(%q) = %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "auto", "0.9", "-3", "2023", "NaN", "Inf", "1e9"} {
		if got, ok := ParseEdition(in); ok {
			t.Errorf("ParseEdition(%q) = %v", in, got)
		}
	}
	for _, e := range []Edition{Edition2016, Edition2022} {
		if got, ok := ParseEdition(e.String()); !ok || got != e {
			t.Errorf("%q is read as %v", e.String(), got)
		}
		if got, ok := ParseEdition(e.Version()); !ok || got != e {
			t.Errorf("%v writes %q, read as %v", e, e.Version(), got)
		}
		if got := EditionOf("", e); got != e {
			t.Errorf("a peer without version is %v, assumed %v", got, e)
		}
	}
	if got := EditionOf("3.0", Edition2016); got != Edition2022 {
		t.Errorf("a peer of 3.0 is %v", got)
	}
	if got := Edition2016.Charset(); got != GB2312 {
		t.Errorf("2016 writes %v", got)
	}
	if got := Edition2022.Charset(); got != GB18030 {
		t.Errorf("2022 writes %v", got)
	}
}
