# The kernel's messages about NVIDIA's cards.
{
  dmesg 2>/dev/null || {
    timeout 5 journalctl -q -k -b -o short-monotonic --no-pager 2>/dev/null
    case $? in 0 | 124) ;; *) echo unreadable ;; esac
  }
} | awk '
  $0 == "unreadable" { print "readable=no" }
  /NVRM|nouveau.*(fault|error|fail)|[Nn]vidia.*(Key was rejected|taints|disagrees|tainting|signature)|[Uu]nsigned module/ {
    lines[++found] = substr($0, 1, 300)
  }
  END { for (at = found > 60 ? found - 59 : 1; at <= found; at++) print "line=" lines[at] }'
:
