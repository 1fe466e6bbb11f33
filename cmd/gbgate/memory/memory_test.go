package memory

import (
	"errors"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

const meminfo = "MemTotal:         507904 kB\nMemFree:           20000 kB\nMemAvailable:     102400 kB\n" +
	"Buffers:            1000 kB\nCached:            50000 kB\nSwapTotal:             0 kB\n"

func TestRead(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name  string
		files map[string]string
		want  Reading
	}{
		{"a box alone", map[string]string{"proc/meminfo": meminfo}, Reading{496 * mb, 100 * mb, false}},
		{
			"a kernel before 3.14",
			map[string]string{"proc/meminfo": strings.Replace(meminfo, "MemAvailable:     102400 kB\n", "", 1)},
			Reading{496 * mb, 71000 << 10, false},
		},
		{"v2, a systemd service", map[string]string{
			"proc/meminfo":     meminfo,
			"proc/self/cgroup": "0::/system.slice/gbgate.service\n",
			"sys/fs/cgroup/system.slice/gbgate.service/memory.max":     "209715200\n",
			"sys/fs/cgroup/system.slice/gbgate.service/memory.high":    "104857600\n",
			"sys/fs/cgroup/system.slice/gbgate.service/memory.current": "94371840\n",
			"sys/fs/cgroup/system.slice/gbgate.service/memory.stat":    "anon 1\ninactive_file 52428800\n",
			"sys/fs/cgroup/system.slice/memory.max":                    "max\n",
			"sys/fs/cgroup/system.slice/memory.high":                   "max\n",
			"sys/fs/cgroup/system.slice/memory.current":                "104857600\n",
		}, Reading{100 * mb, 60 * mb, true}},
		{"v2, the group above is tighter", map[string]string{
			"proc/meminfo":                 meminfo,
			"proc/self/cgroup":             "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "104857600\n", "sys/fs/cgroup/a/b/memory.current": "10485760\n",
			"sys/fs/cgroup/a/memory.max": "52428800\n", "sys/fs/cgroup/a/memory.current": "51380224\n",
		}, Reading{50 * mb, mb, true}},
		{"v2, above the limit", map[string]string{
			"proc/meminfo":             meminfo,
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "52428800\n", "sys/fs/cgroup/memory.current": "53477376\n",
		}, Reading{50 * mb, 0, true}},
		{"v1, a container whose path is the host's", map[string]string{
			"proc/meminfo":     meminfo,
			"proc/self/cgroup": "11:cpu,cpuacct:/docker/1234\n4:memory:/docker/1234\n0::/docker/1234\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "67108864\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "50331648\n",
			"sys/fs/cgroup/memory/memory.stat":           "cache 5\ntotal_inactive_file 16777216\n",
		}, Reading{64 * mb, 32 * mb, true}},
		{"v1 without a limit", map[string]string{
			"proc/meminfo":     meminfo,
			"proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "50331648\n",
		}, Reading{496 * mb, 100 * mb, false}},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, err := Read(root); err != nil || got != c.want {
			t.Errorf("%s: %+v %v, want %+v", c.name, got, err, c.want)
		}
	}
	for name, text := range map[string]string{"nothing": "", "nonsense": "MemTotal: x kB\n"} {
		if got, err := Read(fstest.MapFS{"proc/meminfo": &fstest.MapFile{Data: []byte(text)}}); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got, err := Read(fstest.MapFS{}); err == nil {
		t.Errorf("no /proc: %+v", got)
	}
}

func TestReadThisMachine(t *testing.T) {
	r, err := Read(os.DirFS("/"))
	if err != nil || r.Limit < 1<<20 || r.Available == 0 || r.Available > r.Limit {
		t.Errorf("%+v %v", r, err)
	}
}

func TestGo(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	debug.SetMemoryLimit(1 << 30)
	if left := Go(); left < 1<<29 || left >= 1<<30 {
		t.Errorf("%d bytes of 1 GB left in a small program", left)
	}
	debug.SetMemoryLimit(1000)
	if left := Go(); left != 0 {
		t.Errorf("%d bytes of 1000 left", left)
	}
}

// A box of 1 GB says no below 50 MB, and yes again at 75 MB; first it gives back what it does not use.
func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, mb = 1000 << 20, 1 << 20
		available, readable, reliefs := uint64(500*mb), true, 0
		g := &Guard{
			Look: func() (Reading, error) {
				if !readable {
					return Reading{}, errors.New("no /proc")
				}
				return Reading{Limit: limit, Available: available}, nil
			},
			Relieve: func() { reliefs++; available += 5 * mb },
			Log:     slog.New(slog.DiscardHandler),
		}
		for i, step := range []struct {
			available uint64
			short     bool
			reliefs   int
		}{
			{500 * mb, false, 0},
			{50 * mb, false, 0},
			{46 * mb, false, 1}, // enough after relief
			{49 * mb, true, 1},  // relieved a moment ago
			{74 * mb, true, 1},
			{75 * mb, false, 1},
			{51 * mb, false, 1},
			{20 * mb, true, 1},
			{500 * mb, false, 1},
		} {
			available = step.available
			err := g.Admit()
			if (err != nil) != step.short || g.State().Short != step.short || reliefs != step.reliefs {
				t.Errorf("step %d, %d MB: %v, %d reliefs; want short %v, %d reliefs", i, step.available/mb, err, reliefs,
					step.short, step.reliefs)
			}
			if err != nil && !strings.Contains(err.Error(), "memory is short") {
				t.Errorf("reason: %v", err)
			}
			time.Sleep(2 * time.Second)
		}
		if s := g.State(); s.Refused != 3 {
			t.Errorf("%d refused, want 3", s.Refused)
		}

		available = 0
		if err := g.Admit(); err != nil {
			t.Errorf("a reading of a moment ago does not hold: %v", err)
		}
		time.Sleep(2 * time.Second)
		readable = false
		if err := g.Admit(); err != nil || g.State().Err == nil {
			t.Errorf("memory that can't be read: %v, %+v", err, g.State())
		}
	})
}
