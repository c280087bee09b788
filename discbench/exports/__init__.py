"""Results in other projects' formats: each a pure function of a store, from results to named files."""
