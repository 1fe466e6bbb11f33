package sdp

import "gbgate/gb28181"

// Parse reads a session description.
func Parse(body []byte) (*Session, error) { return nil, gb28181.Errorf(400, "SDP") }
