#!/bin/sh
# After installation and upgrade, for every kind of package.
set -e

config=/etc/gbgate/config.toml

if ! grep -q '^gbgate:' /etc/passwd; then
	if command -v useradd >/dev/null 2>&1; then
		useradd --system --user-group --home-dir /var/lib/gbgate --no-create-home --shell /usr/sbin/nologin gbgate
	elif command -v adduser >/dev/null 2>&1; then
		addgroup -S gbgate 2>/dev/null || true
		adduser -S -D -H -h /var/lib/gbgate -s /sbin/nologin -G gbgate gbgate
	fi
fi
# Passwords stand in it; the service may replace it.
if grep -q '^gbgate:' /etc/passwd; then
	chown gbgate:gbgate /etc/gbgate "$config"
	mkdir -p /var/lib/gbgate
	chown gbgate:gbgate /var/lib/gbgate
fi
chmod 0750 /etc/gbgate
chmod 0640 "$config"

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	systemctl try-restart gbgate.service || true
fi

if grep -q 'change-me' "$config"; then
	echo "gbgate: put the platform, its password and the cameras into $config, then:"
	echo "  gbgate check -c $config"
	if [ -d /run/systemd/system ]; then
		echo "  systemctl enable --now gbgate"
	elif [ -e /etc/init.d/gbgate ]; then
		echo "  /etc/init.d/gbgate enable 2>/dev/null || rc-update add gbgate; /etc/init.d/gbgate start"
	fi
fi
