# Memory, shared memory, limits of the login, and the processor.
sed -n 's/^\(MemTotal\|MemAvailable\|SwapTotal\|SwapFree\): *\([0-9]*\) kB/\1=\2/p' /proc/meminfo
read -r limit 2>/dev/null </sys/fs/cgroup/memory.max && echo "cgroup_limit=$limit"
df -Pk /dev/shm 2>/dev/null | sed -n '2,$s/^/shm=/p'
echo "nofile_soft=$(ulimit -Sn)"
echo "nofile_hard=$(ulimit -Hn)"
echo "memlock_hard=$(ulimit -Hl)"
echo "cpus=$(nproc 2>/dev/null)"
sed -n '/^model name/{s/.*: */cpu=/p;q;}' /proc/cpuinfo
sed -n '/^\(flags\|Features\)/{s/.*: */flags=/p;q;}' /proc/cpuinfo
:
