#!/bin/sh
# The cells and measurements of the published board, command by command; what is there already is kept, so that it goes on where it was cut off.
#
#   DISCBENCH_DATA=DIR sh leaderboard/run.sh
#
# RESULTS is the store (leaderboard/results), WORKERS how many cells run at once. What is not given is left out: CHECKPOINTS, the folder that
# leaderboard/checkpoints.py filled; MADE, the folder that the command in builtin:tiny's card makes; ENGLISH, KANNADA and CHINESE, texts as for
# staircase.sh. Checkpoints that are made here take 30 to 70 minutes of a core each, and are kept in DISCBENCH_CACHE. They go one after the other,
# for those of one shape share their controls.
# Then `make leaderboard`; predictions stay out of the repository.
set -eu
store=${RESULTS:-leaderboard/results}

run() { discbench eval --results "$store" ${WORKERS:+--workers "$WORKERS"} "$@"; }

run --model builtin:tiny --tasks 'formal.*' --inits pretrained,scratch,reembedded --seeds 5 --recipe quick
run --model builtin:tiny --tasks dna.splice,chem.bbbp,formal.factor,glue.cola --inits pretrained,scratch,reembedded,frozen --seeds 3 --recipe quick
run --model builtin:tiny --tasks protein.stability --seeds 3 --recipe quick
run --model builtin:tiny --tasks dna.splice,chem.bbbp,formal.factor --mapping unused --seeds 3 --recipe quick
run --model builtin:tiny --tasks dna.splice,chem.bbbp --fraction 0.05 --seeds 3 --recipe quick-low-data
run --model baseline:kmer --tasks dna.splice,chem.bbbp,formal.factor --seeds 3
run --model baseline:majority --tasks 'formal.*,dna.splice,chem.bbbp,glue.cola,protein.stability'
discbench probe --model builtin:tiny --tasks protein.stability,dna.splice --seeds 3 --results "$store"

formal() {  # a checkpoint on formal, and the probes on one of its tasks
    run --model "$1" --suite formal
    discbench probe --model "$1" --tasks formal.factor --seeds 3 --results "$store"
}
both() {  # and on lite; the published split of stability, which lite does not take, beside
    formal "$1"
    run --model "$1" --suite lite
    run --model "$1" --tasks protein.stability --take 1024,256,1024 --seeds 3 --recipe quick --rates tuned
}

both builtin:tiny
[ -z "${MADE:-}" ] || both "english=$MADE"
[ -z "${KANNADA:-}" ] || both "kannada=pretrain:text:$KANNADA@accents=kept"
[ -z "${CHINESE:-}" ] || both "chinese=pretrain:text:$CHINESE@alphabet=4000"
for seed in 1 2; do
    [ -z "${ENGLISH:-}" ] || formal "english-seed$seed=pretrain:text:$ENGLISH@seed=$seed"
done
formal nesting=pretrain:nesting
formal uniform=pretrain:uniform
run --model baseline:majority --model baseline:kmer --suite lite
run --model builtin:tiny --tasks formal --inits reembedded,frozen,scratch --seeds 5 --recipe quick --rates tuned

if [ -n "${CHECKPOINTS:-}" ]; then
    formal "rxnfp=$CHECKPOINTS/rxnfp"
    formal "MiniLM-L6=$CHECKPOINTS/MiniLM-L6"
    run --model "MiniLM-L6=$CHECKPOINTS/MiniLM-L6" --tasks 'formal.*' --recipe quick --seeds 5
fi
