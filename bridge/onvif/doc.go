// Package onvif speaks to ONVIF cameras and recorders as they are, not as the schema says: it
// finds them, reads what they offer, moves them, listens to their events and finds their
// recordings.
//
// Answers are read by local names, whatever the namespace, order and number of elements, and
// every answer has a limit. A password is tried at most twice before it rests, as cameras lock
// an account after a few wrong ones.
package onvif
