package onvif

import (
	"context"
	"fmt"
	"time"
)

const (
	subscriptionTime = 10 * time.Minute
	pullTime         = 60 * time.Second
	shortPull        = 8 * time.Second // for devices that close a longer one (Tapo C220 after 10 s)
	unsubscribeTime  = time.Second

	wsnAction  = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/"
	pullAction = "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/PullMessagesRequest"
	syncAction = "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/SetSynchronizationPointRequest"

	createAction = "http://www.onvif.org/ver10/events/wsdl/EventPortType/CreatePullPointSubscriptionRequest"
)

// subscription is a pull point of the device.
type subscription struct {
	address    string
	parameters string // headers that the device wants back
	renewAt    time.Time
}

// Events makes a pull point and hands every event to fn, in order and from this goroutine, until
// ctx ends or the device fails; it unsubscribes when ctx ends. It returns the cause of ctx or an
// *Error. It does not try again by itself; while a device starts, waiting 5 s to 60 s is right.
func (c *Client) Events(ctx context.Context, fn func(Event)) error {
	sub, err := c.subscribe(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	pull := c.pullTime
	for {
		if time.Now().After(sub.renewAt) {
			if sub, err = c.renew(ctx, sub); err != nil {
				return ended(ctx, err)
			}
		}
		began := time.Now()
		batch, err := c.pull(ctx, sub, pull)
		switch {
		case ctx.Err() != nil:
			c.unsubscribe(ctx, sub)
			return context.Cause(ctx)
		case err != nil && kindOf(err) == Unreachable && pull > c.shortPull && time.Since(began) > c.shortPull:
			pull = c.shortPull
			continue
		case err != nil:
			return err
		}
		for _, e := range batch {
			fn(e)
		}
		if len(batch) == 0 && time.Since(began) < 100*time.Millisecond {
			// Some answer at once with nothing, whatever the time-out.
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}

// ended prefers the end of ctx over what that did to a call.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// subscribe makes a pull point and asks for the present states (ONVIF Core, Synchronization Point), so that nothing is
// missed that was already so, or has begun between an earlier pull point and this one. Bosch rejects that.
func (c *Client) subscribe(ctx context.Context) (subscription, error) {
	sub, err := c.createPullPoint(ctx)
	if err == nil {
		_, _ = c.onSubscription(ctx, sub, "SetSynchronizationPoint", syncAction, "<tev:SetSynchronizationPoint/>", 0)
	}
	return sub, err
}

// createPullPoint tries a relative end, then an absolute one, then none.
func (c *Client) createPullPoint(ctx context.Context) (subscription, error) {
	clock, err := c.readClock(ctx, false)
	if err != nil {
		return subscription{}, err
	}
	absolute := time.Now().Add(clock.Offset + subscriptionTime).UTC().Format("2006-01-02T15:04:05Z")
	var answer *element
	for _, end := range []string{
		leaf("tev:InitialTerminationTime", seconds(subscriptionTime)),
		leaf("tev:InitialTerminationTime", absolute), "",
	} {
		answer, err = c.call(ctx, request{
			service: eventService, op: "CreatePullPointSubscription", action: createAction,
			header: addressing(createAction, ""), body: wrap("tev:CreatePullPointSubscription", end),
		})
		if k := kindOf(err); k != Fault && k != InvalidArgs && k != NotONVIF {
			break
		}
	}
	if err != nil {
		return subscription{}, err
	}
	reference := answer.at("SubscriptionReference")
	if reference.str("Address") == "" {
		return subscription{}, &Error{
			Kind: NotONVIF, Op: "CreatePullPointSubscription", Text: "camera names no subscription",
		}
	}
	sub := subscription{address: c.endpointOf(reference.str("Address")).address}
	if p := reference.at("ReferenceParameters"); p != nil {
		for _, e := range p.children {
			sub.parameters += e.xml(` xmlns:wsa="http://www.w3.org/2005/08/addressing" wsa:IsReferenceParameter="true"`)
		}
	}
	sub.until(lifetime(answer))
	return sub, nil
}

// lifetime is how long a subscription lasts by the device's two clocks.
func lifetime(e *element) time.Duration {
	now, end := moment(e.find("CurrentTime").str()), moment(e.find("TerminationTime").str())
	if d := end.Sub(now); !now.IsZero() && !end.IsZero() && d > time.Second && d < 24*time.Hour {
		return d
	}
	return subscriptionTime
}

func (s *subscription) until(d time.Duration) { s.renewAt = time.Now().Add(d * 4 / 5) }

// seconds writes a duration; devices that stumble over minutes take seconds.
func seconds(d time.Duration) string { return fmt.Sprintf("PT%dS", int(d.Seconds())) }

// addressing returns the WS-Addressing headers. onvif_simple_server wants a MessageID everywhere.
func addressing(action, to string) string {
	h := leaf("wsa:Action", action) + leaf("wsa:MessageID", "urn:uuid:"+newUUID())
	if to != "" {
		h += leaf("wsa:To", to)
	}
	return h
}

func (c *Client) onSubscription(
	ctx context.Context, s subscription, op, action, body string, wait time.Duration,
) (*element, error) {
	return c.call(ctx, request{
		service: eventService, op: op, action: action, to: s.address, wait: wait,
		header: addressing(action, s.address) + s.parameters, body: body,
	})
}

func (c *Client) pull(ctx context.Context, s subscription, wait time.Duration) ([]Event, error) {
	wait = max(time.Second, min(wait, time.Until(s.renewAt)))
	body := wrap("tev:PullMessages", leaf("tev:Timeout", seconds(wait)), leaf("tev:MessageLimit", "100"))
	answer, err := c.onSubscription(ctx, s, "PullMessages", pullAction, body, wait)
	if err != nil {
		return nil, err
	}
	var batch []Event
	for _, n := range answer.all("NotificationMessage") {
		batch = append(batch, readEvent(n))
	}
	return batch, nil
}

// renew makes a subscription last longer; where the device cannot (Bosch) it makes another one.
// The old one is left to run out, since some devices end all subscriptions with one.
func (c *Client) renew(ctx context.Context, s subscription) (subscription, error) {
	body := wrap("wsnt:Renew", leaf("wsnt:TerminationTime", seconds(subscriptionTime)))
	answer, err := c.onSubscription(ctx, s, "Renew", wsnAction+"RenewRequest", body, 0)
	if err == nil {
		s.until(lifetime(answer))
		return s, nil
	}
	if !answered(err) && kindOf(err) != NotONVIF {
		return s, err
	}
	return c.subscribe(ctx)
}

// unsubscribe says goodbye after ctx has ended, briefly.
func (c *Client) unsubscribe(ctx context.Context, s subscription) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unsubscribeTime)
	defer cancel()
	_, err := c.onSubscription(ctx, s, "Unsubscribe", wsnAction+"UnsubscribeRequest", "<wsnt:Unsubscribe/>", 0)
	if err != nil {
		c.log.Debug("camera keeps our subscription", "camera", c.Host(), "error", err)
	}
}
