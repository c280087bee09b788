"""The Hugging Face hub: which commit a name means, that commit's files, what its client is asked and what it answers.

Of its own room alone: others ask `values.checkpoints`.
"""
