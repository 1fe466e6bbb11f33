package main

import (
	"errors"
	"fmt"
	"syscall"

	"gbgate/cmd/gbgate/admin"
)

// plainListen says in plain words why an address of the configuration can't be listened on.
func plainListen(key, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is taken by another program, or by another gbgate; `ss -lntup` tells which", key, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: this box does not have the address of %s; 0.0.0.0 stands for all that it has", key, address)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%s: this user may not listen on %s; ports below 1024 need a privilege", key, address)
	}
	if errors.Is(err, admin.ErrListen) {
		return err // has the key already
	}
	return fmt.Errorf("%s: %w", key, err)
}
