"""What explains the gain: rank correlations over a suite's checkpoints, corrected for how many predictors were tried.

Others take `explain.explain` and `explain.Explanation`.
"""
