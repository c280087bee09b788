#!/bin/sh
# The cells and measurements of the published board, command by command; what is there already is kept, so that it goes on where it was cut off.
#
#   DISCBENCH_DATA=DIR sh leaderboard/run.sh
#
# RESULTS is the store (leaderboard/results), WORKERS how many cells run at once. What is not given is left out: CHECKPOINTS, the folder that
# leaderboard/checkpoints.py filled; ENGLISH, the folder that the command in builtin:tiny's card makes; KANNADA and CHINESE, texts as for staircase.sh.
# Then `make leaderboard`; predictions stay out of the repository.
set -eu
store=${RESULTS:-leaderboard/results}

run() { discbench eval --results "$store" ${WORKERS:+--workers "$WORKERS"} "$@"; }

run --model builtin:tiny --suite formal
run --model builtin:tiny --tasks 'formal.*' --inits pretrained,scratch,reembedded --seeds 5 --recipe quick
run --model builtin:tiny --tasks dna.splice,chem.bbbp,formal.factor,glue.cola --inits pretrained,scratch,reembedded,frozen --seeds 3 --recipe quick
run --model builtin:tiny --tasks protein.stability --seeds 3 --recipe quick
run --model builtin:tiny --tasks dna.splice,chem.bbbp,formal.factor --mapping unused --seeds 3 --recipe quick
run --model builtin:tiny --tasks dna.splice,chem.bbbp --fraction 0.05 --seeds 3 --recipe quick-low-data
run --model baseline:kmer --tasks dna.splice,chem.bbbp,formal.factor --seeds 3
run --model baseline:majority --tasks 'formal.*,dna.splice,chem.bbbp,glue.cola,protein.stability'
discbench probe --model builtin:tiny --tasks protein.stability,dna.splice --seeds 3 --results "$store"

[ -z "${ENGLISH:-}" ] || run --model "english=$ENGLISH" --suite formal
[ -z "${KANNADA:-}" ] || run --model "kannada=pretrain:text:$KANNADA@accents=kept" --suite formal
[ -z "${CHINESE:-}" ] || run --model "chinese=pretrain:text:$CHINESE@alphabet=4000" --suite formal

if [ -n "${CHECKPOINTS:-}" ]; then
    run --model "MiniLM-L6=$CHECKPOINTS/MiniLM-L6" --suite formal
    run --model "MiniLM-L6=$CHECKPOINTS/MiniLM-L6" --tasks 'formal.*' --recipe quick --seeds 5
fi
