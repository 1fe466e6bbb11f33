#!/bin/sh
# Before removal; an upgrade only restarts. Debian says what is done in the first argument
# ("remove", "upgrade"), RPM how many versions will be left.
set -e
case "$1" in
upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now gbgate.service || true
elif [ -x /etc/init.d/gbgate ]; then
	/etc/init.d/gbgate stop || true
	if [ -e /etc/openwrt_release ]; then
		/etc/init.d/gbgate disable || true
	fi
fi
