#!/bin/sh
# ray 2.60.0: a first `ray.init()` writes a token to ~/.ray/auth_token. From then on `ray start --head` finds it and
# asks every client for it, but `ray.init(address=...)` of the same user on the same machine does not look there: it
# tries for 20 seconds and raises ConnectionError("Failed to connect to Ray cluster at ..."), a message without the word
# token. With RAY_AUTH_MODE=token set beside it, it finds the same file and joins.
#
# Seen: "as it is: ConnectionError", "with RAY_AUTH_MODE=token: joined". Exits 0 while that is so.
set -eu
work=$(mktemp -d /tmp/rayXXXX) # its sockets have names of 107 bytes at most
head=
trap 'kill $head 2>/dev/null || true; sleep 3; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ray==2.60.0
export HOME="$work" RAY_USAGE_STATS_ENABLED=0 PATH="$work/venv/bin:$PATH"
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 # listen at the loopback address alone
unset RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH RAY_ADDRESS
python3 -c 'import ray; ray.init(num_cpus=1, include_dashboard=False, logging_level="error"); print("ray", ray.__version__)'
test -s "$work/.ray/auth_token"
ray start --head --port=6466 --num-cpus=1 --include-dashboard=false --temp-dir="$work/t" --block >"$work/log" 2>&1 &
head=$!
for _ in $(seq 240); do grep -q 'Ray runtime started' "$work/log" && break || sleep 1; done
cat >"$work/join.py" <<'PY'
import sys

import ray

try:
    ray.init(address="127.0.0.1:6466", log_to_driver=False, logging_level="error")
    found = "joined"
except Exception as error:
    found = type(error).__name__
print(f"{sys.argv[1]}: {found}")
sys.exit(0 if found == sys.argv[2] else 1)
PY
python3 "$work/join.py" "as it is" ConnectionError 2>/dev/null
RAY_AUTH_MODE=token python3 "$work/join.py" "with RAY_AUTH_MODE=token" joined 2>/dev/null
