package record

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// file is what a segment is written to: a diskFile, or one that fails in a test.
type file interface {
	// Append writes the pieces at the file's end, one behind the other. After an error some of it may be there.
	Append(pieces [][]byte) error
	// Truncate cuts the file off.
	Truncate(size int64) error
	Close() error
}

const (
	// A file's room on the disk is taken ahead: as much as the file has already, within these bounds. So it lies in few
	// pieces although many cameras write at once, and a write finds its place without asking for it page by page.
	minAhead = 4 << 20
	maxAhead = 16 << 20
	// maxPieces is what one call takes (IOV_MAX).
	maxPieces = 1024
)

// diskFile is a file that only grows.
type diskFile struct {
	f     *os.File
	size  int64
	taken int64 // up to here the disk has room for it
	plain bool  // the file system takes no room ahead
}

func createFile(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &diskFile{f: f}, nil
}

// Append implements file. It is one call for a part as a rule: the kernel gathers the pieces.
func (d *diskFile) Append(pieces [][]byte) error {
	total := int64(0)
	for _, p := range pieces {
		total += int64(len(p))
	}
	d.reserve(d.size + total)
	for len(pieces) > 0 {
		n, err := d.write(pieces[:min(len(pieces), maxPieces)])
		if err != nil {
			return &os.PathError{Op: "write", Path: d.f.Name(), Err: err}
		}
		d.size += int64(n)
		pieces = behind(pieces, n)
	}
	return nil
}

func (d *diskFile) write(pieces [][]byte) (n int, err error) {
	conn, err := d.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for {
			if n, failed = unix.Writev(int(fd), pieces); !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	})
	if err == nil {
		err = failed
	}
	if err == nil && n == 0 {
		err = io.ErrShortWrite
	}
	return n, err
}

// behind returns what is left of the pieces after n bytes of them.
func behind(pieces [][]byte, n int) [][]byte {
	for len(pieces) > 0 && n >= len(pieces[0]) {
		n -= len(pieces[0])
		pieces = pieces[1:]
	}
	if n > 0 {
		pieces[0] = pieces[0][n:]
	}
	return pieces
}

// reserve takes room for the file up to end and beyond, without making it longer. Where there is none, the write
// finds out.
func (d *diskFile) reserve(end int64) {
	if d.plain || end <= d.taken {
		return
	}
	from := max(d.taken, d.size)
	to := end + min(max(d.size, minAhead), maxAhead)
	to += -to & (minAhead - 1)
	err := unix.Fallocate(int(d.f.Fd()), unix.FALLOC_FL_KEEP_SIZE, from, to-from)
	d.plain = err != nil
	d.taken = to // on a full disk ext4 may have taken some of it, which Close gives back
}

// Truncate implements file; room that was taken behind the end is given back.
func (d *diskFile) Truncate(size int64) error {
	d.size, d.taken = size, size
	return d.f.Truncate(size)
}

// Close implements file.
func (d *diskFile) Close() error {
	var err error
	if d.taken > d.size {
		err = d.Truncate(d.size)
	}
	return errors.Join(err, d.f.Close())
}
