#!/bin/sh
# SPDX-License-Identifier: MIT
# Install the Debian packages named that are not there, and say which.
set -eu

missing=
for package; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing Debian packages:$missing"
root=
if [ "$(id -u)" -ne 0 ]; then
	root=sudo
	command -v sudo >/dev/null || {
		echo "not root and no sudo: run as root: apt-get install$missing" >&2
		exit 1
	}
fi
export DEBIAN_FRONTEND=noninteractive
# A package may need newer lists than the machine has.
# shellcheck disable=SC2086
$root apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
	$root apt-get update -qq
	$root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
