package rtsp

// paramSets are parameter sets from the SDP: NAL units (VPS, SPS, PPS) without start codes, in any
// order, possibly none. They are only a hint, since some Uniview cameras announce sets that do not fit
// the stream: the same kind of set seen in the stream replaces them.
type paramSets [][]byte
