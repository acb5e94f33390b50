# Memory, shared memory, limits of the login, and the processor.
sed -n 's/^\(MemTotal\|MemAvailable\|SwapTotal\|SwapFree\): *\([0-9]*\) kB/\1=\2/p' /proc/meminfo
# A control group's limits hold for all groups below it. Process 1's: a login has one of its own.
groups=/sys/fs/cgroup
value() { read -r first 2>/dev/null <"$1" && printf ' %s' "$first" || printf ' -'; }
cache() { printf ' %s' "$(sed -n "s/^$1 //p" "$2" 2>/dev/null)"; }
limits() {
  case $1 in
    unified)
      printf 'memory_group=%s\n' "$(value "$2/memory.max"; value "$2/memory.current"; cache inactive_file "$2/memory.stat")"
      printf 'cpu_group=%s\n' "$(value "$2/cpu.max")" ;;
    memory) printf 'memory_group=%s\n' "$(value "$2/memory.limit_in_bytes"; value "$2/memory.usage_in_bytes"; cache total_inactive_file "$2/memory.stat")" ;;
    cpu) printf 'cpu_group=%s\n' "$(value "$2/cpu.cfs_quota_us"; value "$2/cpu.cfs_period_us")" ;;
  esac
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
df -Pk /dev/shm 2>/dev/null | sed -n '2,$s/^/shm=/p'
echo "nofile_soft=$(ulimit -Sn)"
echo "nofile_hard=$(ulimit -Hn)"
echo "memlock_hard=$(ulimit -Hl)"
echo "cpus=$(nproc 2>/dev/null)"
echo "host_cpus=$(nproc --all 2>/dev/null)"
sed -n '/^model name/{s/.*: */cpu=/p;q;}' /proc/cpuinfo
sed -n '/^\(flags\|Features\)/{s/.*: */flags=/p;q;}' /proc/cpuinfo
:
