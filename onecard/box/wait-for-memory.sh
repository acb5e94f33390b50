#!/bin/sh
# Waits until the server's GPUs have the given share of their memory free, which is what vLLM wants
# before it starts: the server before this one may still be giving its memory back. Two servers at
# once end in an out-of-memory error that names another process. Ends well after DEADLINE seconds
# too: vLLM itself then says best what is missing; so it does of a card that does not answer.
#
# usage: wait-for-memory.sh SHARE [CARDS [DEADLINE]]
# CARDS: as `nvidia-smi -i` wants them, such as 0,1; without them every one is waited for.
share=$1 cards=${2:+-i $2} deadline=$(( $(date +%s) + ${3:-120} ))
command -v nvidia-smi >/dev/null || exit 0
told=
while :; do
  full=$(timeout 20 nvidia-smi $cards --query-gpu=index,memory.free,memory.total --format=csv,noheader,nounits |
    awk -F', *' -v share="$share" '$2 + 0 < share * $3 { printf "GPU %s has %d of %d MiB free; ", $1, $2, $3 }')
  [ -n "$full" ] || exit 0
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "onecard: ${full}going on all the same; it is held by:"
    timeout 20 nvidia-smi $cards --query-compute-apps=pid,process_name,used_memory --format=csv,noheader
    exit 0
  fi
  [ -n "$told" ] || echo "onecard: ${full}waiting for $share of it"
  told=yes
  sleep 0.5
done
