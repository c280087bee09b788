"""What a worker needs, loaded once: the fork server imports this module, and each worker starts as its copy.

Only imports, and none that starts a thread: a copy of a process has its first thread alone. This process is never
asked to end while it imports: it has no ears yet. So the kernel ends it with its parent; later it notices by itself.
"""

import atexit
import ctypes
import os
import shutil
import signal

END_WITH_PARENT = 1
"""`PR_SET_PDEATHSIG` of prctl(2); Linux alone has fork servers of ours (`start`)."""


def _with_parent(number: int) -> None:
    """Have this process sent a signal when its parent ends; 0 for none."""
    ctypes.CDLL(None).prctl(END_WITH_PARENT, number)


_with_parent(signal.SIGKILL)
if os.environ.get("DISCBENCH_PARENT", str(os.getppid())) != str(os.getppid()):
    os._exit(1)  # it ended before we had said so
try:
    import accelerate  # noqa: F401
    import transformers
    import transformers.models.auto.modeling_auto
    import transformers.models.bert.modeling_bert  # noqa: F401 - with it all that other architectures share

    import discbench.plugins.registry
    import discbench.training.run  # noqa: F401
finally:
    _with_parent(0)


def _leave() -> None:
    """End at once: taking torch apart would take seconds on a busy machine. Copies of this process never come here."""
    shutil.rmtree(os.environ.get("DISCBENCH_SOCKETS", ""), ignore_errors=True)
    os._exit(0)


atexit.register(_leave)
