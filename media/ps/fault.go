package ps

// Fault is something wrong with a program stream.
type Fault struct {
	Kind   FaultKind
	Detail string // the values that were seen, "" if the kind says it all
}

// String returns the fault in plain words.
func (f Fault) String() string {
	if f.Detail == "" {
		return f.Kind.String()
	}
	return f.Kind.String() + ": " + f.Detail
}

// FaultKind names what can be wrong.
type FaultKind uint8

// The faults. Each stands for a receiver that it was seen to break, or for a rule of
// ISO/IEC 13818-1 that a careful one checks.
const (
	FaultNone           FaultKind = iota
	FaultLostSync                 // no start code where one must be: a wrong length, or foreign bytes
	FaultPackHeader               // not an MPEG-2 pack header, or marker bits unset
	FaultSCRBack                  // the SCR stepped back
	FaultSCRLate                  // a frame's bytes are due after it is to be decoded
	FaultMuxRate                  // program_mux_rate is 0 or below the real rate
	FaultMapCRC                   // the CRC of the program stream map is wrong
	FaultMapSyntax                // the lengths in the program stream map contradict each other
	FaultMapDescriptors           // the map has descriptors (libmpeg stumbles over them)
	FaultNoMap                    // video came before any program stream map
	FaultUnannounced              // a stream that the map does not list
	FaultPESLength                // a PES packet of length 0 (SRS and monibuca can't read it)
	FaultPESHeader                // a malformed PES header
	FaultNoPTS                    // a frame without a time
	FaultDTSBack                  // the DTS of a stream stepped back
	FaultFrameTooBig              // a frame above the limit, thrown away
	FaultTruncated                // the stream ended inside a packet
)

// String returns the fault in plain words.
func (k FaultKind) String() string {
	if int(k) >= len(faultNames) {
		return "unknown fault"
	}
	return faultNames[k]
}

//nolint:gochecknoglobals // a constant table
var faultNames = [...]string{
	FaultNone:           "no fault",
	FaultLostSync:       "lost sync",
	FaultPackHeader:     "bad pack header",
	FaultSCRBack:        "SCR stepped back",
	FaultSCRLate:        "SCR later than the DTS",
	FaultMuxRate:        "program_mux_rate below the real rate",
	FaultMapCRC:         "wrong CRC in the program stream map",
	FaultMapSyntax:      "bad program stream map",
	FaultMapDescriptors: "descriptors in the program stream map",
	FaultNoMap:          "video before the first program stream map",
	FaultUnannounced:    "stream not in the program stream map",
	FaultPESLength:      "PES packet of length 0",
	FaultPESHeader:      "bad PES header",
	FaultNoPTS:          "frame without PTS",
	FaultDTSBack:        "DTS stepped back",
	FaultFrameTooBig:    "frame too big",
	FaultTruncated:      "stream ended inside a packet",
}
