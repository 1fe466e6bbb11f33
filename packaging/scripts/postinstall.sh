#!/bin/sh
# After installation and upgrade, for every kind of package.
set -e

config=/etc/gbgate/config.toml
state=/var/lib/gbgate

if [ -e /etc/openwrt_release ]; then
	state=/etc/gbgate/state # /var is memory there
fi

add_user() {
	if command -v useradd >/dev/null 2>&1; then
		useradd --system --user-group --home-dir "$state" --no-create-home --shell /usr/sbin/nologin gbgate
	elif command -v adduser >/dev/null 2>&1; then
		addgroup -S gbgate 2>/dev/null || true
		adduser -S -D -H -h "$state" -s /sbin/nologin -G gbgate gbgate
	elif [ -e /lib/functions.sh ]; then # OpenWrt
		# shellcheck disable=SC1091
		. /lib/functions.sh
		user_add gbgate "" "$(group_add_next gbgate)" gbgate "$state" /bin/false
	fi
}

if ! grep -q '^gbgate:' /etc/passwd; then
	add_user
fi
# Passwords stand in it; the service may replace it.
if grep -q '^gbgate:' /etc/passwd; then
	mkdir -p "$state"
	chown gbgate:gbgate /etc/gbgate "$config" "$state"
fi
chmod 0750 /etc/gbgate
chmod 0640 "$config"

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	systemctl try-restart gbgate.service || true
elif [ -e /etc/openwrt_release ]; then
	/etc/init.d/gbgate running 2>/dev/null && /etc/init.d/gbgate restart || true
elif command -v rc-service >/dev/null 2>&1; then
	rc-service --quiet gbgate status >/dev/null 2>&1 && rc-service gbgate restart || true
fi

if grep -q 'change-me' "$config"; then
	echo "gbgate: put the platform, its password and the cameras into $config, then:"
	echo "  gbgate check -c $config"
	if [ -d /run/systemd/system ]; then
		echo "  systemctl enable --now gbgate"
	elif [ -e /etc/openwrt_release ]; then
		echo "  /etc/init.d/gbgate enable; /etc/init.d/gbgate start"
	elif command -v rc-service >/dev/null 2>&1; then
		echo "  rc-update add gbgate; rc-service gbgate start"
	fi
fi
