package manscdp

// Broadcast asks us to fetch the voice that TargetID shall play (语音广播, 2022
// §9.12.2, A.2.5.10). It is the one message without DeviceID.
type Broadcast struct {
	Header
	SourceID string `gb:"SourceID"` // who speaks: the superior
	TargetID string `gb:"TargetID"` // a voice output, our node, or most often a camera
}

// Root implements Message.
func (*Broadcast) Root() string { return Notify }

// Answer returns the header of the Response, whose DeviceID is the target.
func (b *Broadcast) Answer() Header {
	return Header{CmdType: b.CmdType, SN: b.SN, DeviceID: b.TargetID}
}

// BroadcastResponse answers a Broadcast, before our INVITE.
type BroadcastResponse struct {
	Header
	Result string `gb:"Result"` // OK or ERROR
}

// Root implements Message.
func (*BroadcastResponse) Root() string { return Response }

// SubscribeResponse is the body of the 200 to a SUBSCRIBE, as 2016 wants it.
// Its CmdType, which Encode keeps, is that of the query.
type SubscribeResponse struct {
	Header
	Result string `gb:"Result"` // OK or ERROR
}

// Root implements Message.
func (*SubscribeResponse) Root() string { return Response }
