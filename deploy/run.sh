#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make run` does: saola with the demo, or with APP (module:callable) in
# DIR, behind nginx as an ordinary process, until Ctrl-C. Everything it makes
# is in one temporary directory, which goes with it. More options of saola may
# follow as arguments.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
saola=${SAOLA:-$top/saola}
app=${APP:-demo:application}
dir=${DIR:-$top/deploy/demo}
dir=$(cd "$dir" && pwd)
port=${PORT:-8000}
nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || {
	echo "run: nginx is not installed (apt-get install nginx-light)" >&2
	exit 1
}

run=$(mktemp -d "${TMPDIR:-/tmp}/saola-run.XXXXXX")
saola_pid= nginx_pid=

# Stop both, and leave nothing.
finish() {
	trap '' INT TERM HUP
	trap - EXIT
	for pid in $nginx_pid $saola_pid; do
		kill -TERM "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	rm -rf "$run"
	exit "$1"
}
trap 'finish $code' EXIT
trap 'finish 0' INT TERM HUP
code=1

# The first port from $1 on that nobody listens at.
free_port() {
	/usr/bin/python3 - "$1" <<-'END'
	import socket, sys
	for port in range(int(sys.argv[1]), 65536):
	    with socket.socket() as s:
	        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	        try:
	            s.bind(("127.0.0.1", port))
	        except OSError:
	            continue
	        print(port)
	        break
	END
}

# nginx.conf.example with another port, and nginx saying when it is ready. As
# root its workers stay root, since nobody else may enter our directory.
start_nginx() {
	sed -e "s/127\.0\.0\.1:8000/127.0.0.1:$port/" \
	    -e 's/^error_log stderr/& notice/' \
	    "$top/nginx.conf.example" >nginx.conf
	user=
	[ "$(id -u)" -ne 0 ] || user='user root;'
	mkfifo nginx.log
	"$nginx" -p . -c nginx.conf -e stderr -g "$user" 2>nginx.log &
	nginx_pid=$!
	watch_nginx <nginx.log &
}

# What nginx says, without its notices; when it ends, so does saola.
watch_nginx() {
	while IFS= read -r line; do
		case $line in
		*'start worker processes'*)
			echo "http://127.0.0.1:$port/   (Ctrl-C stops)" ;;
		*'[notice]'*) ;;
		*) printf '%s\n' "$line" >&2 ;;
		esac
	done
	kill -TERM "$saola_pid" 2>/dev/null || :
}

wanted=$port
port=$(free_port "$wanted")
[ "$port" = "$wanted" ] || echo "run: port $wanted is taken, using $port" >&2

# nginx looks its socket up from where it starts.
cd "$run"
mkfifo log
"$saola" --bind unix:saola.sock --workers 2 --chdir "$dir" "$@" "$app" \
    2>log &
saola_pid=$!

while IFS= read -r line; do
	printf '%s\n' "$line" >&2
	case $line in
	*': ready ('*) [ -n "$nginx_pid" ] || start_nginx ;;
	esac
done <log

code=0
wait "$saola_pid" || code=$?
saola_pid=
exit "$code"
