package media

import (
	"math/bits"
	"sync"
)

// Buffers come in size classes a quarter of a power of two apart, so a cached picture wastes
// at most a fifth of its memory (a box with 64 cameras keeps about 64 MB of them).
const (
	minBufferBits = 9  // 512 B: an audio frame
	maxBufferBits = 23 // 8 MiB: more than any picture that is accepted
	classesPerBit = 4
)

//nolint:gochecknoglobals // pools are shared by design
var bufferPools [(maxBufferBits - minBufferBits + 1) * classesPerBit]sync.Pool

// classOf returns the smallest class that holds size bytes, and that class's size.
// class < 0: too big to be pooled.
func classOf(size int) (class, classSize int) {
	if size <= 1<<minBufferBits {
		return 0, 1 << minBufferBits
	}
	exp := bits.Len(uint(size-1)) - 1 // 2^exp < size <= 2^(exp+1)
	step := 1 << (exp - 2)
	quarter := (size - 1<<exp + step - 1) / step // 1..4
	class = (exp-minBufferBits)*classesPerBit + quarter
	if class >= len(bufferPools) {
		return -1, size
	}
	return class, 1<<exp + quarter*step
}

// buffer is a pooled byte slice; the pointer travels with it, so that pooling allocates nothing.
type buffer struct{ b []byte }

func getBuffer(size int) *buffer {
	class, classSize := classOf(size)
	if class < 0 {
		return &buffer{b: make([]byte, 0, size)}
	}
	if b, ok := bufferPools[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{b: make([]byte, 0, classSize)}
}

func putBuffer(b *buffer) {
	if class, classSize := classOf(cap(b.b)); class >= 0 && classSize == cap(b.b) {
		b.b = b.b[:0]
		bufferPools[class].Put(b)
	}
}
