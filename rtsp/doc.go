// Package rtsp pulls a camera over RTSP and turns what it sends into media units.
//
// It is the lower shore of the gateway and the only place that knows gortsplib. Cameras bend RTSP in
// many ways, so everything between the socket and gortsplib passes through a connection of our own
// (normConn) that repairs messages in both directions and takes the media out before gortsplib sees it.
package rtsp
