package onvif

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// recordingsFresh is how long a recorder's list of recordings is believed.
const recordingsFresh = time.Minute

// Recording returns the recording of this camera: the one with the token, or, where that is "", the one of the camera's
// video source. A recorder with a single recording means that.
func (c *Camera) Recording(ctx context.Context, token string) (Recording, error) {
	list, err := c.recordings(ctx)
	if err != nil {
		return Recording{}, err
	}
	l, err := c.learn(ctx)
	if err != nil {
		return Recording{}, err
	}
	var tokens []string
	for _, r := range list {
		tokens = append(tokens, r.Token)
		if token != "" && r.Token == token || token == "" && r.Video && r.of(l.main.Source) {
			return r, nil
		}
	}
	switch {
	case token == "" && len(list) == 1:
		return list[0], nil
	case len(list) == 0:
		return Recording{}, &Error{Kind: ActionNotSupported, Op: "FindRecordings", Text: "camera lists no recordings"}
	}
	wanted := "of video source " + l.main.Source
	if token != "" {
		wanted = "with token " + token
	}
	return Recording{}, &Error{
		Kind: InvalidArgs, Op: "FindRecordings",
		Text: fmt.Sprintf("camera lists no recording %s; its tokens are %s", wanted,
			strings.Join(tokens[:min(len(tokens), 64)], ", ")),
	}
}

// of tells whether the recording's source is the one with the token: recorders write it plainly, or as the end of a
// URI.
func (r Recording) of(source string) bool {
	return source != "" && (r.SourceID == source || r.SourceName == source || strings.HasSuffix(r.SourceID, "/"+source))
}

// recordings lists them, from memory where that is fresh.
func (c *Camera) recordings(ctx context.Context) ([]Recording, error) {
	c.mu.Lock()
	list, at := c.recorded, c.recordedAt
	c.mu.Unlock()
	if !at.IsZero() && time.Since(at) < recordingsFresh {
		return list, nil
	}
	list, err := c.client.Recordings(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recorded, c.recordedAt = list, time.Now()
	return list, nil
}
