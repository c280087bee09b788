#!/usr/bin/env bash
# The staircase: what is left of the gain when less and less of natural text is pre-trained on, at one shape and one number of tokens.
#
#   ENGLISH=en.txt.xz KANNADA=kn.txt.xz CHINESE=zh.txt.xz bash leaderboard/staircase.sh
#
# Each text is one file with a paragraph a line and a blank line between documents; one that is not given is left out.
# SHAPE (tiny), MORE (further fields of the pre-training, such as @steps=300), TASKS (formal), SEEDS (5), RECIPE (quick),
# RESULTS (results/staircase) and DISCBENCH_CACHE say the rest. Run it again to go on where it was cut off: checkpoints
# that are made and cells that are finished stay.
set -euo pipefail
at="@${SHAPE:-tiny}${MORE:-}"
models=()
for corpus in uniform unigram flat nesting; do models+=(--model "$corpus=pretrain:$corpus$at"); done
# marks above and below letters are vowels in Kannada; Chinese has thousands of letters
[ -z "${KANNADA:-}" ] || models+=(--model "kannada=pretrain:text:$KANNADA$at@accents=kept")
[ -z "${CHINESE:-}" ] || models+=(--model "chinese=pretrain:text:$CHINESE$at@alphabet=4000")
[ -z "${ENGLISH:-}" ] || models+=(--model "english=pretrain:text:$ENGLISH$at")
discbench eval "${models[@]}" --tasks "${TASKS:-formal}" --inits pretrained,scratch --seeds "${SEEDS:-5}" \
  --recipe "${RECIPE:-quick}" --results "${RESULTS:-results/staircase}" "$@"
