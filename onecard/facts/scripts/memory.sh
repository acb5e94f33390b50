# Memory, shared memory, limits of the login, and the processor.
awk -F ' *: *' '
  $1 ~ /^(MemTotal|MemAvailable|SwapTotal|SwapFree)$/ { print $1 "=" $2 + 0 }
  $1 ~ /^model name/ && !named++ { print "cpu=" $2 }
  $1 ~ /^(flags|Features)/ { print "flags=" $2; exit }' /proc/meminfo /proc/cpuinfo
# A control group's limits hold for all groups below it. Process 1's: a login has one of its own.
groups=/sys/fs/cgroup
value() { read -r first 2>/dev/null <"$1" && printf ' %s' "$first" || printf ' -'; }
cache() {
  while read -r name bytes; do
    [ "$name" != "$1" ] || { printf ' %s' "$bytes"; break; }
  done 2>/dev/null <"$2"
}
limits() {
  case $1 in
    unified)
      printf memory_group=; value "$2/memory.max"; value "$2/memory.current"; cache inactive_file "$2/memory.stat"
      printf '\ncpu_group='; value "$2/cpu.max" ;;
    memory)
      printf memory_group=; value "$2/memory.limit_in_bytes"; value "$2/memory.usage_in_bytes"
      cache total_inactive_file "$2/memory.stat" ;;
    cpu) printf cpu_group=; value "$2/cpu.cfs_quota_us"; value "$2/cpu.cfs_period_us" ;;
  esac
  echo
}
while IFS=: read -r _ controllers at; do
  case ",$controllers," in
    ,,) kind=unified folder=$groups ;;
    *,memory,*) kind=memory folder=$groups/memory ;;
    *,cpu,*) kind=cpu folder=$groups/cpu ;;
    *) continue ;;
  esac
  # In a container the path may be the host's, or stand outside of what is mounted.
  case $at in */..*) at= ;; esac
  [ -d "$folder$at" ] || at=
  at=${at%/}
  while limits "$kind" "$folder$at" && [ "$at" ]; do at=${at%/*}; done
done </proc/1/cgroup 2>/dev/null
shm=$(df -Pk /dev/shm 2>/dev/null) && echo "shm=${shm#*
}"
printf nofile_soft=; ulimit -Sn
printf nofile_hard=; ulimit -Hn
printf memlock_hard=; ulimit -Hl
printf cpus=; nproc
printf host_cpus=; nproc --all
:
