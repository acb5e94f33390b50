# Default route, addresses, name servers, listening sockets, the ports that the provider maps. Nothing is sent.
awk '$2 == "00000000" && $3 != "00000000" { print "route=" $1; exit }' /proc/net/route 2>/dev/null
awk '$1 ~ /^0+$/ && $2 == "00" && $NF != "lo" { print "route=" $NF; exit }' \
  /proc/net/ipv6_route 2>/dev/null
ip -o addr show 2>/dev/null | awk '{ print "address=" $2 " " $4 }'
sed -n 's/^nameserver */nameserver=/p' /etc/resolv.conf 2>/dev/null
if command -v ss >/dev/null 2>&1; then
  ss -Hltnp 2>/dev/null | sed 's/^/ss=/'
else
  awk 'FILENAME == "/etc/passwd" { split($0, part, ":"); user[part[3]] = part[1]; next }
    $4 == "0A" { print "tcp=" $2 " " user[$8] }' /etc/passwd /proc/net/tcp /proc/net/tcp6 2>/dev/null
fi
# RunPod and Vast tell a pod's process 1 which outer port leads to which of its own.
{
  tr '\0' '\n' </proc/1/environ | sed -n 's/^\(RUNPOD\|VAST\)_TCP_PORT_\([0-9]*=[0-9][0-9]*\)$/mapped=\2/p'
} 2>/dev/null
:
