# The distribution: os-release as it is (keys in capitals).
cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null
