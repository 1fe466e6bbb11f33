package manscdp

// Decode reads a MANSCDP body.
func Decode(body []byte) (Message, error) { return nil, ErrNotXML }
