package rtsp

// maxOutstanding bounds the requests kept in mind; some cameras never answer a keepalive.
const maxOutstanding = 16

// exchange is one request on its way.
type exchange struct {
	cseq      int // on the wire
	inner     int // as gortsplib numbered it
	method    string
	keepalive bool   // nobody waits for the reply
	signed    string // what it was signed with, see authenticator.sign
	about     string // the stand-in URL gortsplib asked for
	transport string // the Transport header of a SETUP
	// done, of a request that is not gortsplib's, gets the reply on the reading goroutine.
	done func(*message)
}

// exchanges remembers which requests wait for a reply, oldest first.
type exchanges struct{ waiting []exchange }

func (x *exchanges) sent(e exchange) {
	x.waiting = append(x.waiting, e)
	if len(x.waiting) > maxOutstanding {
		x.waiting = x.waiting[1:]
	}
}

// answered finds the request that a reply with this CSeq (-1: none) belongs to. A CSeq that matches
// also settles everything older, because a camera that skips keepalives would put a queue out of step.
// Otherwise (no CSeq, a stale or invented one: Tapo C220) the oldest request that somebody waits for is meant.
func (x *exchanges) answered(cseq int) (exchange, bool) {
	for i, e := range x.waiting {
		if e.cseq == cseq {
			x.waiting = x.waiting[i+1:]
			return e, true
		}
	}
	for i, e := range x.waiting {
		if !e.keepalive {
			x.waiting = x.waiting[i+1:]
			return e, true
		}
	}
	if len(x.waiting) == 0 {
		return exchange{}, false
	}
	e := x.waiting[0]
	x.waiting = x.waiting[1:]
	return e, true
}
