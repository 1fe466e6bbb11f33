package logfile

import (
	"context"
	"log/slog"
)

// Handler writes records as text; an error is in the file within seconds.
func Handler(f *File, level slog.Leveler) slog.Handler {
	return handler{slog.NewTextHandler(f, &slog.HandlerOptions{Level: level}), f}
}

type handler struct {
	slog.Handler
	file *File
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelError {
		h.file.Urgent()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.file}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.file}
}
