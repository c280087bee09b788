"""A Slurm of one node: munge, slurmctld and slurmd in the foreground, everything of theirs in one folder, own ports."""

import os
import secrets
import shutil
import socket
import subprocess
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmctldTimeout=30
SlurmdTimeout=30
KillWait=5
MinJobAge=300
ReturnToService=2
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=60 State=UP OverSubscribe=NO
"""


def missing():
    """The programs that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]


def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Slurm:
    """The daemons, from `start` to `stop`."""

    def __init__(self, folder):
        self.folder, self.running = folder, []
        self.env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin"}

    def start(self):
        self.folder.chmod(0o755)  # munge wants no folder that others can write
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        host = socket.gethostname().split(".")[0]
        said = {"host": host, "folder": self.folder, "controller": port(), "daemon": port(), "cores": os.cpu_count()}
        (self.folder / "slurm.conf").write_text(CONF.format(**said))
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = {"key-file": key.name, "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        own = [f"--{option}={self.folder / name}" for option, name in {**files, "log-file": "munge.log"}.items()]
        self._daemon("munged", "--foreground", "--force", *own)
        self._until((self.folder / "munge.socket").exists, "munge")
        self._daemon("slurmctld", "-D", "-c")
        self._daemon("slurmd", "-D", "-N", host)
        self._until(lambda: self("sinfo", "-h", "-o", "%t").stdout.strip() == "idle", "the node")

    def _daemon(self, *command):
        log = (self.folder / f"{command[0]}.out").open("wb")
        self.running.append(
            subprocess.Popen(command, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        )
        log.close()

    def _until(self, there, what, seconds=60):
        until = time.monotonic() + seconds
        while not there():
            if time.monotonic() > until:
                logs = "\n".join(path.read_text(errors="replace")[-1500:] for path in self.folder.glob("*.out"))
                self.stop()
                raise RuntimeError(f"{what} did not come up in {seconds} s:\n{logs}")
            time.sleep(0.2)

    def __call__(self, *command):
        """Run one of its commands."""
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def stop(self):
        self("scancel", "--me")
        for process in reversed(self.running):
            process.terminate()
        for process in reversed(self.running):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
