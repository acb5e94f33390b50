# Default route, addresses, name servers, listening sockets, the ports that the provider maps. Nothing is sent.
set -- -
for file in /proc/net/route /proc/net/ipv6_route /etc/resolv.conf; do
  [ -r "$file" ] && set -- "$@" "$file"
done
{
  ip -o addr show
  command -v ss >/dev/null && ss -Hltnp
} 2>/dev/null | awk '
  /^LISTEN/ { print "ss=" $0 }
  /^[0-9]+:/ { print "address=" $2 " " $4 }
  FILENAME ~ /\/route$/ && $2 == "00000000" && $3 != "00000000" && !routed++ { print "route=" $1 }
  FILENAME ~ /ipv6_route$/ && $1 ~ /^0+$/ && $2 == "00" && $NF != "lo" && !routed++ { print "route=" $NF }
  sub(/^nameserver */, "") { print "nameserver=" $0 }' "$@"
command -v ss >/dev/null ||
  awk 'FILENAME == "/etc/passwd" { split($0, part, ":"); user[part[3]] = part[1]; next }
    $4 == "0A" { print "tcp=" $2 " " user[$8] }' /etc/passwd /proc/net/tcp /proc/net/tcp6 2>/dev/null
# RunPod and Vast tell a pod's process 1 which outer port leads to which of its own.
{
  tr '\0' '\n' </proc/1/environ | sed -n 's/^\(RUNPOD\|VAST\)_TCP_PORT_\([0-9]*=[0-9][0-9]*\)$/mapped=\2/p'
} 2>/dev/null
:
