"""A Slurm of one node, on loopback, in a folder of its own, ended with the test."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")

_CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MaxArraySize={max_array_size}
KillWait=20
MinJobAge=300
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def why_not():
    """Say what keeps a Slurm from being started here; empty if nothing does."""
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian: slurm-wlm, munge)"
    return "" if os.getuid() == 0 else "Slurm's daemons are started as root, and this user is not"


@contextmanager
def slurm(folder: Path, max_array_size=4):
    """Start munged, slurmctld and slurmd; yield the environment in which Slurm's commands find them."""
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    controller_port, node_port = _free_ports(2)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            host=host,
            folder=folder,
            controller_port=controller_port,
            node_port=node_port,
            max_array_size=max_array_size,
            cpus=os.cpu_count(),
        )
    )
    environment = os.environ | {"SLURM_CONF": str(configuration)}
    munged = ["munged", "--foreground", "--force", f"--key-file={key}"]
    munged += [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "log", "seed")]
    daemons = [
        [*munged, f"--socket={folder}/munge.socket"],
        ["slurmctld", "-D", "-f", str(configuration)],
        ["slurmd", "-D", "-f", str(configuration), "-N", host],
    ]
    started = []
    try:
        for command in daemons:
            log = (folder / f"{command[0]}.out").open("wb")
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            log.close()
            time.sleep(0.5)
        _wait_for_node(environment, started, folder)
        yield environment
    finally:
        _end_all_jobs(environment)
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ask(environment, *command):
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return answer.stdout.strip(), answer.stderr.strip()


def _wait_for_node(environment, started, folder):
    for _ in range(120):
        state, error = _ask(environment, "sinfo", "--noheader", "--format=%t")
        if state == "idle":
            return
        if any(process.poll() is not None for process in started):
            break
        time.sleep(0.25)
    logs = [*folder.glob("*.log"), *folder.glob("*.out")]
    tails = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in logs)
    raise RuntimeError(f"Slurm did not come up ({state!r} {error!r})\n{tails}")


def _end_all_jobs(environment):
    for _ in range(40):
        _ask(environment, "scancel", "--full", "--signal=KILL", "--state=RUNNING")
        _ask(environment, "scancel", "--state=PENDING")
        if not _ask(environment, "squeue", "--noheader")[0]:
            return
        time.sleep(0.25)


def _free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
