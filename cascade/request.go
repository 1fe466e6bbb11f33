package cascade

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

const typeMANSCDP = "Application/MANSCDP+xml"

// request sends a request to the superior and waits for the final response, at most Timers.Reply.
func (p *Platform) request(ctx context.Context, r *sipua.Request) (*sipua.Response, error) {
	return p.send(ctx, r, p.route(), p.cfg.Timers.Reply)
}

// send is ua.Do with a limit, and with errors in plain words.
func (p *Platform) send(ctx context.Context, r *sipua.Request, to sipua.Route, limit time.Duration) (
	*sipua.Response, error,
) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNoAnswer)
	defer cancel()
	res, err := p.ua.Do(ctx, r, to)
	switch {
	case err == nil:
		return res, nil
	case errors.Is(err, errNoAnswer), errors.Is(err, sipua.ErrNoAnswer):
		return nil, fmt.Errorf("%w from %s over %s", errNoAnswer, to.Remote, to.Transport)
	case errors.Is(err, sipua.ErrLost):
		return nil, fmt.Errorf("%w by %s", errReset, to.Remote)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%s refuses the connection over %s: %w", to.Remote, to.Transport, syscall.ECONNREFUSED)
	}
	return nil, unsent(to.Remote, err)
}

// unsent says in plain words why this box could not send: the libraries wrap the system's reason in their own.
func unsent(to netip.AddrPort, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	switch errno {
	case syscall.EPERM, syscall.EACCES:
		return fmt.Errorf("a firewall of this box forbids sending to %s: %w", to, errno)
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN:
		return fmt.Errorf("no route to %s: %w", to, errno)
	}
	return fmt.Errorf("nothing can be sent to %s: %w", to, errno)
}

// message makes a MESSAGE to the superior, addressed to the ID that asked.
func (p *Platform) message(m manscdp.Message, to string) (*sipua.Request, error) {
	body, err := p.encode(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.Head().CmdType, err)
	}
	return p.envelope(body, to), nil
}

// envelope makes a MESSAGE of a body.
func (p *Platform) envelope(body []byte, to string) *sipua.Request {
	target := p.target()
	return &sipua.Request{
		Method: "MESSAGE",
		URI:    sipua.URI{User: to, Host: target.Host, Port: target.Port},
		From:   sipua.Address{URI: p.self(), Tag: newToken()},
		To:     sipua.Address{URI: sipua.URI{User: to, Host: p.superior().domain}},
		CallID: newToken() + "@" + p.localAddr().Addr().String(), CSeq: p.nextCSeq(),
		ContentType: typeMANSCDP, Body: body,
		Patient: true, // a platform that stalls for a moment is not gone: keepalives decide
	}
}

// self is the URI of our From: field devices put the superior's domain behind their own code.
func (p *Platform) self() sipua.URI {
	switch p.cfg.Compat.FromHost {
	case "own-domain":
		return sipua.URI{User: p.cfg.NodeID, Host: domainOf(p.cfg.NodeID)}
	case "ip:port":
		local := p.localAddr()
		return sipua.URI{User: p.cfg.NodeID, Host: local.Addr().String(), Port: int(local.Port())}
	}
	return sipua.URI{User: p.cfg.NodeID, Host: p.superior().domain}
}

// target is the Request-URI of what we send outside dialogs. Monibuca takes its host for the address it advertises.
func (p *Platform) target() sipua.URI {
	up := p.superior()
	if p.cfg.Compat.RequestURIHost == "domain" {
		return sipua.URI{User: up.id, Host: up.domain}
	}
	remote, _ := p.addrs()
	return sipua.URI{User: up.id, Host: remote.Addr().String(), Port: int(remote.Port())}
}

// contact is our Contact, for the node or one of its channels.
func (p *Platform) contact(user string) *sipua.URI {
	p.mu.Lock()
	at := p.status.Local
	if nat := p.status.NATAddress; p.cfg.Compat.UseNATContact && nat.IsValid() {
		at = nat
	}
	p.mu.Unlock()
	return contactAt(user, at, p.cfg.Transport)
}

func contactAt(user string, at netip.AddrPort, transport string) *sipua.URI {
	u := &sipua.URI{User: user, Host: at.Addr().String(), Port: int(at.Port())}
	if transport == "tcp" {
		u.Params = "transport=tcp"
	}
	return u
}

func (p *Platform) route() sipua.Route {
	remote, local := p.addrs()
	return sipua.Route{Transport: p.cfg.Transport, Remote: remote, Local: local}
}

func (p *Platform) addrs() (remote, local netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status.Remote, p.status.Local
}

func (p *Platform) localAddr() netip.AddrPort {
	_, local := p.addrs()
	return local
}

// Edition is the edition of the standard to speak with this superior: ours, but none that it could not read
// (GB/T 28181-2022 Annex I).
func (p *Platform) Edition() gb28181.Edition {
	if e, ok := gb28181.ParseEdition(p.cfg.Version); ok {
		return e
	}
	p.mu.Lock()
	peer := p.status.PeerVersion
	p.mu.Unlock()
	if e, ok := gb28181.ParseEdition(peer); ok {
		return e
	}
	e, _ := gb28181.ParseEdition(p.cfg.Compat.AssumeVersion)
	return e
}

// ownEdition is what we say of ourselves.
func (p *Platform) ownEdition() gb28181.Edition {
	if e, ok := gb28181.ParseEdition(p.cfg.Version); ok {
		return e
	}
	return gb28181.Edition2022
}

func (p *Platform) charset() gb28181.Charset {
	if cs, ok := gb28181.ParseCharset(p.cfg.Compat.Charset); ok {
		return p.narrowed(cs)
	}
	return p.narrowed(p.Edition().Charset())
}

func (p *Platform) narrowed(cs gb28181.Charset) gb28181.Charset {
	if cs == gb28181.GB2312 && p.cfg.Compat.StrictGB2312 {
		return gb28181.GB2312Strict
	}
	return cs
}

// encode writes a message as this superior wants to read it.
func (p *Platform) encode(m manscdp.Message) ([]byte, error) {
	m = p.outward(m)
	if c, ok := m.(*manscdp.ConfigDownloadResponse); ok && p.cfg.Compat.SnapShotAnswer && c.SnapShotConfig != nil {
		renamed := *c
		renamed.SnapShot, renamed.SnapShotConfig = c.SnapShotConfig, nil
		m = &renamed
	}
	return manscdp.Encoder{Charset: p.charset(), EmptyLists: p.cfg.Compat.EmptyLists}.Encode(m)
}

func (p *Platform) nextSN() string { return strconv.FormatUint(p.sn.Add(1), 10) }

func (p *Platform) nextCSeq() uint32 { return p.cseq.Add(1) & 0x7FFFFFFF }

// newToken makes a tag or the local part of a Call-ID.
func newToken() string { return strings.ToLower(rand.Text())[:16] }
