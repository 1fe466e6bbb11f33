package onvif

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/icholy/digest"
)

// authorized sends a request with the password the way the device wants it, which it shows when it
// refuses one without: HTTP digest if it challenges, else a UsernameToken (both together are
// forbidden). A wrong password goes out at most maxTries times before it rests.
func (c *Client) authorized(ctx context.Context, r request, address string) (*element, error) {
	if r.open || c.cfg.Username == "" {
		answer, err := c.tolerant(ctx, r, address, "", c.plain).result()
		if kindOf(err) == NotAuthorized && !r.open {
			err = &Error{Kind: NotAuthorized, Text: "camera asks for a user name and password, none is configured"}
		}
		return answer, err
	}
	// A device that never asks for the password gets none, and any number of calls at once: one may wait for events.
	if !c.wasAsked() {
		got := c.tolerant(ctx, r, address, "", c.plain)
		if answer, err := got.result(); kindOf(err) != NotAuthorized {
			return answer, err
		}
		c.setAsked(hasChallenge(got.header))
	}
	if !c.isProven() {
		select {
		case c.turn <- struct{}{}:
			defer func() { <-c.turn }()
		case <-ctx.Done():
			return nil, &Error{Kind: Unreachable, Text: "camera was too slow to answer", Err: context.Cause(ctx)}
		}
	}
	if err := c.resting(); err != nil {
		return nil, err
	}
	if c.digestWanted() {
		return c.byDigest(ctx, r, address)
	}
	clock, err := c.readClock(ctx, false)
	if err != nil {
		return nil, err
	}
	got := c.byToken(ctx, r, address, clock)
	answer, err := got.result()
	switch {
	case got.status == http.StatusUnauthorized && hasChallenge(got.header):
		// It changed its mind.
		if err := c.resting(); err != nil {
			return nil, err
		}
		c.setAsked(true)
		return c.byDigest(ctx, r, address)
	case kindOf(err) != NotAuthorized:
		c.passed(err)
		return answer, err
	}
	// The device's clock may have been set since.
	again, clockErr := c.readClock(ctx, true)
	if clockErr == nil && !near(again.Offset, clock.Offset) {
		if answer, err = c.byToken(ctx, r, address, again).result(); kindOf(err) != NotAuthorized {
			c.passed(err)
			return answer, err
		}
	}
	return nil, c.refusal(err)
}

func near(a, b time.Duration) bool { return (a - b).Abs() < 2*time.Second }

func (c *Client) byToken(ctx context.Context, r request, address string, clock Clock) reply {
	token := usernameToken(c.cfg.Username, c.cfg.Password, time.Now().Add(clock.Offset))
	got := c.tolerant(ctx, r, address, token, c.plain)
	if _, err := got.result(); kindOf(err) == NotAuthorized {
		c.refused()
	}
	return got
}

func (c *Client) byDigest(ctx context.Context, r request, address string) (*element, error) {
	answer, err := c.tolerant(ctx, r, address, "", c.digest).result()
	if kindOf(err) == NotAuthorized {
		return nil, c.refusal(err)
	}
	c.passed(err)
	return answer, err
}

// tolerant sends a request and, where a device chokes on the action in the Content-Type (some
// refuse Stop that way), once more without; what works is kept.
func (c *Client) tolerant(ctx context.Context, r request, address, security string, by *http.Client) reply {
	got := c.post(ctx, r, address, security, by)
	if c.isBare() || got.status < 400 || got.status == http.StatusUnauthorized || got.status == http.StatusNotFound {
		return got
	}
	if _, err := got.result(); kindOf(err) != ActionNotSupported && kindOf(err) != NotONVIF {
		return got
	}
	c.setBare(true)
	bare := c.post(ctx, r, address, security, by)
	if _, err := bare.result(); err == nil {
		c.log.Info("camera refuses requests with an action, sending without", "camera", c.Host(), "operation", r.op)
		return bare
	}
	c.setBare(false)
	return got
}

func (c *Client) isBare() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bare
}

func (c *Client) setBare(bare bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bare = bare
}

func (c *Client) isProven() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proven
}

func (c *Client) digestWanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.useDigest
}

func (c *Client) wasAsked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

func (c *Client) setAsked(digest bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.useDigest = true, digest
}

// passed notes that the device did not mind the password.
func (c *Client) passed(err error) {
	if answered(err) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.proven, c.tries = true, 0
	}
}

// refused counts a password that was sent in vain. One that got through before is right: what is
// refused now is the operation, to this account.
func (c *Client) refused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proven {
		return
	}
	if c.tries++; c.tries >= maxTries {
		c.tries, c.restUntil = 0, time.Now().Add(c.cfg.Rest)
	}
}

// resting tells why no password may be sent now.
func (c *Client) resting() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := time.Until(c.restUntil); left > 0 {
		return &Error{
			Kind: Resting,
			Text: fmt.Sprintf("password refused; it rests for %v so that the camera does not lock the account",
				left.Round(time.Second)),
		}
	}
	return nil
}

// refusal puts a refused password into words.
func (c *Client) refusal(err error) error {
	e := &Error{Kind: NotAuthorized, Text: "password refused", Err: err}
	if c.isProven() {
		e.Text = "this account may not do it"
	}
	return e
}

// strongest is the best challenge of an answer that the digest package can meet: SHA-256 rather
// than MD5, in whatever order they come.
func strongest(h http.Header) (*digest.Challenge, error) {
	var best *digest.Challenge
	for _, value := range h.Values("WWW-Authenticate") {
		c, err := digest.ParseChallenge(value)
		if err != nil {
			continue
		}
		for i := range c.QOP {
			c.QOP[i] = strings.TrimSpace(c.QOP[i])
		}
		if !digest.CanDigest(c) {
			continue
		}
		if best == nil || len(c.Algorithm) > len(best.Algorithm) {
			best = c
		}
	}
	if best == nil {
		return nil, digest.ErrNoChallenge
	}
	return best, nil
}

func hasChallenge(h http.Header) bool {
	_, err := strongest(h)
	return err == nil
}

func stale(h http.Header) bool {
	c, err := strongest(h)
	return err == nil && c.Stale
}
