"""A Ray cluster that is somebody else's: started here with 2 CPUs and 2 GPUs that are not there, until its input ends."""

import os
import shutil
import sys
import tempfile

os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
folder = tempfile.mkdtemp(prefix="head-", dir="/tmp")
try:
    import ray

    there = ray.init(
        address="local", num_cpus=2, num_gpus=2, include_dashboard=False, _temp_dir=folder, logging_level="error"
    )
    sys.stdout.write(there.address_info["gcs_address"] + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    ray.shutdown()
finally:
    shutil.rmtree(folder, ignore_errors=True)
