#!/bin/sh
# Waits until the server's GPUs have the given share of their memory free, which vLLM requires at its
# start: the previous server may still be releasing its memory. Two servers at once fail with an
# out-of-memory error that names another process. Exits with 0 after DEADLINE seconds too: vLLM's own
# error is then the best report, as it is for a card that does not answer.
#
# usage: wait-for-memory.sh SHARE [CARDS [DEADLINE]]
# CARDS: as for `nvidia-smi -i`, such as 0,1; default: all cards.
share=$1 cards=${2:+-i $2} deadline=$(( $(date +%s) + ${3:-120} ))
command -v nvidia-smi >/dev/null || exit 0
reported=
while :; do
  full=$(timeout 20 nvidia-smi $cards --query-gpu=index,memory.free,memory.total --format=csv,noheader,nounits |
    awk -F', *' -v share="$share" '$2 + 0 < share * $3 { printf "GPU %s has %d of %d MiB free; ", $1, $2, $3 }')
  [ -n "$full" ] || exit 0
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "onecard: ${full}going on all the same; it is held by:"
    timeout 20 nvidia-smi $cards --query-compute-apps=pid,process_name,used_memory --format=csv,noheader
    exit 0
  fi
  [ -n "$reported" ] || echo "onecard: ${full}waiting for $share of it"
  reported=yes
  sleep 0.5
done
