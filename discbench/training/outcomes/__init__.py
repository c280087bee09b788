"""From answers to what a result says: labels' unit, votes and scores, how fast the loss fell."""
