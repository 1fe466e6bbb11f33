package rehearsal

import (
	"bytes"
	"errors"

	"gbgate/gb28181/manscdp"
)

// Unread is a well-formed message whose command the codec does not have.
type Unread struct {
	manscdp.Header
	Body []byte
	root string
}

// Root implements manscdp.Message.
func (u *Unread) Root() string { return u.root }

// decode reads a body as far as that goes; nil: not even its header can be read.
func decode(body []byte) manscdp.Message {
	m, err := manscdp.Decode(body)
	if err == nil {
		return m
	}
	if unknown, ok := errors.AsType[*manscdp.UnknownError](err); ok {
		return &Unread{Header: unknown.Header, Body: bytes.Clone(body), root: unknown.Root}
	}
	return nil
}
