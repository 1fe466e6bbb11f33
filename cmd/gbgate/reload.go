package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"syscall"

	"gbgate/cmd/gbgate/config"
)

var errReload = errors.New("new configuration")

// serve runs the configuration in file until ctx ends, and another one after each SIGHUP.
//
// A reload is a transaction: a file with faults changes nothing, and where the new configuration
// can't be started (a port that is taken) the one before runs again. Where only cameras and groups
// differ, everything else runs on; otherwise calls are hung up and registrations made anew.
func serve(ctx context.Context, e env, file string, cfg *config.Config) (err error) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	log := openJournal(e, cfg.Gateway)
	defer func() { log.end(err) }()
	g, err := newGateway(cfg, log.Logger)
	if err != nil {
		return err
	}
	taken := digest(file)
	for {
		running := taken
		g.taken.Store(&running)
		tellInactive(cfg, log.Logger)
		tellKept(keepCodes(cfg), log.Logger)
		next, err := serveUntil(ctx, g, hangup, file, log.Logger)
		switch {
		case next == nil && err != nil:
			return err
		case next == nil:
			log.Info("gbgate has stopped")
			return nil
		}
		log.Info("configuration is reloaded", "file", file)
		nextLog := openJournal(e, next.Gateway)
		if g, err = newGateway(next, nextLog.Logger); err == nil {
			log.end(nil)
			cfg, log, taken = next, nextLog, digest(file)
			continue
		}
		nextLog.end(nil)
		log.end(nil)
		log = openJournal(e, cfg.Gateway)
		log.Error("new configuration can't be started, the one before runs on", "error", err)
		if g, err = newGateway(cfg, log.Logger); err != nil {
			return fmt.Errorf("nor can the one before: %w", err)
		}
	}
}

// serveUntil runs g until it ends by itself or by ctx (next is nil), or until a SIGHUP finds a
// configuration without faults.
func serveUntil(
	ctx context.Context, g *gateway, hangup <-chan os.Signal, file string, log *slog.Logger,
) (next *config.Config, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	go func() { done <- g.run(ctx) }()
	for {
		select {
		case err := <-done:
			return nil, err
		case <-hangup:
		}
		next, err := loadConfig(file)
		if faults, ok := errors.AsType[config.Faults](err); ok {
			for _, f := range faults {
				log.Error("configuration not reloaded", "fault", f.String())
			}
			continue
		}
		if onlyCameras(g.current, next) && (g.recorders != nil || !next.Records()) {
			if err := reloadCameras(g, file, next); err != nil {
				log.Error("configuration not reloaded", "error", err)
			}
			continue
		}
		stop(errReload)
		return next, <-done
	}
}

// onlyCameras tells whether two configurations differ in their cameras and groups at most.
func onlyCameras(a, b *config.Config) bool {
	return reflect.DeepEqual(a.Gateway, b.Gateway) && reflect.DeepEqual(a.Admin, b.Admin) &&
		reflect.DeepEqual(a.Recording, b.Recording) && reflect.DeepEqual(a.Superiors, b.Superiors)
}

func reloadCameras(g *gateway, file string, next *config.Config) error {
	tellKept(keepCodes(next), g.log)
	if err := g.update(next); err != nil {
		return err
	}
	taken := digest(file)
	g.taken.Store(&taken)
	g.log.Info("cameras are reloaded", "cameras", len(next.Cameras))
	return nil
}

// digest tells one text of a file from another; "" where it can't be read.
func digest(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// tellKept says that the cameras' codes could not be written: a full disk, or a file of a newer release. The site
// serves all the same, with the codes that it would have got.
func tellKept(err error, log *slog.Logger) {
	if err != nil {
		log.Error("which camera has which code is not kept and may change with the next camera", "error", err)
	}
}
