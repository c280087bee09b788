"""What a worker needs, loaded once: the fork server imports this module, and each worker starts as its copy.

Only imports, and none that starts a thread: a copy of a process has its first thread alone.
"""

import accelerate  # noqa: F401
import transformers
import transformers.models.auto.modeling_auto
import transformers.models.bert.modeling_bert  # noqa: F401 - with it all that other architectures share

import discbench.plugins.registry
import discbench.training.run  # noqa: F401
