package manscdp

import "gbgate/gb28181"

// Encode writes m in the charset.
func Encode(m Message, cs gb28181.Charset) ([]byte, error) { return nil, ErrNotXML }
