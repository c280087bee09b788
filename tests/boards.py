"""Results without a store, from which boards are built in tests."""

from discbench.values.cells import cell_id


def record(score, init="pretrained", seed=0, task="protein.stability", checkpoint="m", status="finished", **fields):
    marks = fields.pop("marks", [])
    specialist = fields.pop("specialist", None)
    cell = {
        "checkpoint": checkpoint, "revision": "r", "task": f"{task}@1", "rows": "0" * 64, "mapping": "random",
        "mapping_seed": seed, "map_specials": False, "init": init, "seed": seed, "fraction": 1.0, "subset": "drawn", "limit": None,
        "recipe": {"name": "paper", "lr": 1e-5}, "changed": {}, "specials": {}, **fields,
    }  # fmt: skip
    about = {
        "name": task, "discipline": task.split(".")[0], "metric": "spearman", "higher_is_better": True, "chance": 0.0,
        "ceiling": None, "control": False, "specialist": specialist,
    }  # fmt: skip
    return {
        "format": 1, "id": cell_id(cell), "cell": cell, "task": about, "status": status, "marks": marks,
        "scores": {"test": {"spearman": score}, "validation": {"spearman": score}}, "collapsed": False,
    }  # fmt: skip


def pairs(gains, control=0.5, **fields):
    return [
        r
        for seed, gain in enumerate(gains)
        for r in (record(control, "scratch", seed, **fields), record(control + gain, "pretrained", seed, **fields))
    ]


def way(near, rows=160, **fields):
    part = {"rows": rows, "near": near, "same_label": 0.871, "correlation": None}
    about = {"by": "stretch", "length": 20, "what": "share 20 symbols with a train row", "apart": "dna.splice-grouped"}
    return {**about, "validation": part, "test": part, **fields}


def leaking(copies, **fields):
    return [{**result, "dataset": {"copies": copies}} for result in pairs([0.1, 0.2, 0.3], **fields)]


NOTE = (
    "\N{DAGGER} dna.splice@1: 19 % of test rows share 20 symbols with a train row, 87 % of them with its label"
    " (dna.splice-grouped keeps these on one side)"
)
