#!/bin/sh
# ray 2.60.0: where a node's network fails (its cable, not its processes), the cluster declares the node dead after about
# a minute, and every driver is told: ray.nodes() says Alive False. The task that ran there is not ended by that. ray.get
# and ray.wait stay as they were until the driver's own connection to the lost worker is given up, some minutes later;
# only then NodeDiedError is raised. (With the node's processes killed instead, it comes at once.)
#
# Needs root and iproute2: two nodes in network namespaces of this machine, joined by a veth pair, one end of which is
# taken down. Takes about nine minutes. Seen: node dead after 65 s, NodeDiedError after 423 s.
# Exits 0 while the task ends more than a minute after its node.
set -eu
work=$(mktemp -d /tmp/rayXXXX) # its sockets have names of 107 bytes at most
tag=lost$$
head= node=
trap 'kill $node $head 2>/dev/null || true; sleep 5; ip netns del $tag-a; ip netns del $tag-b; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ray==2.60.0
export HOME="$work" RAY_USAGE_STATS_ENABLED=0 PATH="$work/venv/bin:$PATH" RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python3 -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN
ip netns add $tag-a
ip netns add $tag-b
ip link add ${tag}a netns $tag-a type veth peer ${tag}b netns $tag-b
for side in a b; do
  ip -n $tag-$side addr add 10.251.9.$([ $side = a ] && echo 1 || echo 2)/24 dev $tag$side
  ip -n $tag-$side link set $tag$side up
  ip -n $tag-$side link set lo up
done
ip netns exec $tag-a ray start --head --port=6391 --node-ip-address=10.251.9.1 --num-cpus=1 --include-dashboard=false \
  --temp-dir="$work/t" --block >"$work/a" 2>&1 &
head=$!
for _ in $(seq 240); do grep -q 'Ray runtime started' "$work/a" && break || sleep 1; done
ip netns exec $tag-b ray start --address=10.251.9.1:6391 --node-ip-address=10.251.9.2 --num-cpus=1 \
  --resources='{"far": 1}' --block >"$work/b" 2>&1 &
node=$!
for _ in $(seq 240); do grep -q 'Ray runtime started' "$work/b" && break || sleep 1; done
cat >"$work/drive.py" <<'PY'
import subprocess
import sys
import time

import ray

tag, begun = sys.argv[1:]
ray.init(address="10.251.9.1:6391", log_to_driver=False, logging_level="error")
print("ray", ray.__version__)


@ray.remote(num_cpus=0, resources={"far": 1}, max_retries=0)
def stay(begun):
    open(begun, "w").close()
    time.sleep(3600)


task = stay.remote(begun)
while subprocess.run(["test", "-e", begun]).returncode:
    time.sleep(0.2)
subprocess.run(["ip", "-n", f"{tag}-b", "link", "set", f"{tag}b", "down"], check=True)
cut, dead = time.monotonic(), None
while True:
    ended, _ = ray.wait([task], timeout=1)
    now = time.monotonic() - cut
    if dead is None and sum(node["Alive"] for node in ray.nodes()) == 1:
        dead = now
        print(f"node dead after {dead:.0f} s", flush=True)
    if ended or now > 1200:
        break
try:
    ray.get(task, timeout=1)
    said = "an answer"
except Exception as error:
    said = type(error).__name__
print(f"{said} after {now:.0f} s")
sys.exit(0 if dead is not None and now - dead > 60 else 1)
PY
ip netns exec $tag-a python3 "$work/drive.py" $tag "$work/begun"
