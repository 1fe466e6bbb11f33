package onvif

import "time"

// SetPullTimes makes the waiting for events short.
func (c *Client) SetPullTimes(long, short time.Duration) { c.pullTime, c.shortPull = long, short }
