# Is there a way out, a name server, and who listens. Nothing is sent.
awk '$2 == "00000000" && $3 != "00000000" { print "route=" $1; exit }' /proc/net/route 2>/dev/null
awk '$1 ~ /^0+$/ && $2 == "00" && $NF != "lo" { print "route=" $NF; exit }' \
  /proc/net/ipv6_route 2>/dev/null
sed -n 's/^nameserver */nameserver=/p' /etc/resolv.conf 2>/dev/null
if command -v ss >/dev/null 2>&1; then
  ss -Hltnp 2>/dev/null | sed 's/^/ss=/'
else
  awk '$4 == "0A" { print "tcp=" $2 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
fi
:
