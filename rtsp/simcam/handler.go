package simcam

import (
	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
)

// handler is what the RTSP server asks, on goroutines of its own.
type handler struct{ *Camera }

// OnDescribe answers DESCRIBE.
func (c handler) OnDescribe(
	ctx *gortsplib.ServerHandlerOnDescribeCtx,
) (*base.Response, *gortsplib.ServerStream, error) {
	return c.open(ctx.Conn, ctx.Request, ctx.Path)
}

// OnSetup answers SETUP.
func (c handler) OnSetup(
	ctx *gortsplib.ServerHandlerOnSetupCtx,
) (*base.Response, *gortsplib.ServerStream, error) {
	return c.open(ctx.Conn, ctx.Request, ctx.Path)
}

// OnPlay answers PLAY.
func (c handler) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	if c.speaker != nil {
		c.listen(ctx.Session)
	}
	c.log.Info("client plays", "client", ctx.Conn.NetConn().RemoteAddr().String())
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnSessionOpen counts a session in.
func (c handler) OnSessionOpen(*gortsplib.ServerHandlerOnSessionOpenCtx) {
	c.sessions.Add(1)
	c.opened.Add(1)
}

// OnSessionClose counts it out.
func (c handler) OnSessionClose(ctx *gortsplib.ServerHandlerOnSessionCloseCtx) {
	c.sessions.Add(-1)
	c.log.Info("session closed", "reason", ctx.Error)
}

// OnStreamWriteError hears that a client reads too slowly.
func (c handler) OnStreamWriteError(ctx *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	c.log.Debug("client is too slow", "error", ctx.Error)
}

// open lets a request for the stream in, or says why not.
func (c handler) open(
	conn *gortsplib.ServerConn, req *base.Request, path string,
) (*base.Response, *gortsplib.ServerStream, error) {
	if c.cfg.Username != "" && !conn.VerifyCredentials(req, c.cfg.Username, c.cfg.Password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	if path != c.cfg.Path {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}
