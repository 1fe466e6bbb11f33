package cascade

// State is where the registration with one superior stands (GB/T 28181-2022 9.1, 9.6).
//
//	Offline ──► Registering ──200──► Online ──refresh due──► Refreshing ──200──► Online
//	               ▲   │                │                        │
//	               │   │ no answer,     │ keepalives lost, 401/403/404/407/481 to one,
//	               │   │ refused        │ TCP connection gone, our address changed, refresh failed
//	               │   ▼                ▼
//	               ├─ Backoff       Registering, at once
//	               │   │
//	               └───┴ timer, or a request from above
//
//	any ──context ends──► Leaving ──BYE all, Expires 0──► Offline
type State uint8

// The states.
const (
	Offline State = iota
	Registering
	Online
	Refreshing
	Backoff
	Leaving
)

// String names the state as status and logs show it.
func (s State) String() string {
	switch s {
	case Offline:
		return "offline"
	case Registering:
		return "registering"
	case Online:
		return "online"
	case Refreshing:
		return "refreshing"
	case Backoff:
		return "backoff"
	case Leaving:
		return "leaving"
	}
	return "unknown"
}

// registered says whether the superior has us in its books, as far as we know.
func (s State) registered() bool { return s == Online || s == Refreshing }
