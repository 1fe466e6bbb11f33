// Package memory tells how much memory this process may have, how much of it is left, and whether
// that is enough for more work.
package memory

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// Reading is one look at the memory, in bytes.
type Reading struct {
	Limit     uint64 // what this process may have, together with all that share the limit
	Available uint64 // what is left of it without swapping
	Group     bool   // the limit is a control group's, not the box's
}

// Read looks at a Linux box; root is its "/". The limit is the tightest of the box's memory and the
// process's control groups (v2 and v1).
func Read(root fs.FS) (Reading, error) {
	info, err := table(root, "proc/meminfo")
	if err != nil {
		return Reading{}, err
	}
	r := Reading{Limit: info["MemTotal:"] << 10, Available: info["MemAvailable:"] << 10}
	if r.Limit == 0 {
		return Reading{}, errors.New("/proc/meminfo has no MemTotal")
	}
	if _, ok := info["MemAvailable:"]; !ok { // kernels before 3.14
		r.Available = (info["MemFree:"] + info["Buffers:"] + info["Cached:"]) << 10
	}
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return r, nil //nolint:nilerr // a kernel without control groups
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[1] == "":
			r.groups(root, "sys/fs/cgroup", parts[2], version2)
		case parts[1] == "memory":
			r.groups(root, "sys/fs/cgroup/memory", parts[2], version1)
		}
	}
	return r, nil
}

// files are the names of what a kind of control group tells.
type files struct {
	limits   []string // the tightest holds
	usage    string
	inactive string // the line of memory.stat with the file pages that are free to go
}

var (
	// At memory.high a process is slowed down until it stands still.
	version2 = files{[]string{"memory.max", "memory.high"}, "memory.current", "inactive_file"}          //nolint:gochecknoglobals // a table
	version1 = files{[]string{"memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_inactive_file"} //nolint:gochecknoglobals // a table
)

// groups tightens r by a control group and all above it. In a container the group's path is that of
// the host, and its files stand at the top.
func (r *Reading) groups(root fs.FS, mount, group string, names files) {
	for group = path.Join("/", group); ; group = path.Dir(group) {
		dir := path.Join(mount, group)
		limit := uint64(math.MaxUint64)
		for _, name := range names.limits {
			if n, err := number(root, path.Join(dir, name)); err == nil {
				limit = min(limit, n)
			}
		}
		if usage, err := number(root, path.Join(dir, names.usage)); err == nil && limit < r.Limit {
			stat, _ := table(root, path.Join(dir, "memory.stat"))
			usage -= min(usage, stat[names.inactive])
			r.Limit, r.Group = limit, true
			r.Available = min(r.Available, limit-min(limit, usage))
		}
		if group == "/" {
			return
		}
	}
}

// number reads a file with one number in it; "max" is none.
func number(root fs.FS, name string) (uint64, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

// table reads a file of lines that begin with a name and a number.
func table(root fs.FS, name string) (map[string]uint64, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	values := map[string]uint64{}
	for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) < 2 {
			continue
		}
		if n, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
			values[fields[0]] = n
		}
	}
	return values, nil
}

// Go returns how much of its memory limit (GOMEMLIMIT) the Go runtime has left, in bytes. Garbage
// counts as left: when it is not enough, the collector does nothing else any more.
func Go() (left uint64) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, // garbage included
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	used := samples[0].Value.Uint64()
	for _, s := range samples[1:5] {
		used -= min(used, s.Value.Uint64())
	}
	used += samples[5].Value.Uint64()
	limit := uint64(debug.SetMemoryLimit(-1)) // never negative
	return limit - min(limit, used)
}
