# What the kernel said about NVIDIA's cards.
pick() { grep -E 'NVRM|nouveau.*(fault|error|fail)|[Nn]vidia.*(Key was rejected|taints|disagrees|tainting|signature)'; }
said=$(dmesg 2>/dev/null | pick)
if [ -z "$said" ] && ! dmesg >/dev/null 2>&1; then
  said=$(timeout 5 journalctl -q -k -b -o short-monotonic --no-pager 2>/dev/null | pick)
  dmesg >/dev/null 2>&1 || journalctl -q -k -n 1 >/dev/null 2>&1 || echo readable=no
fi
[ "$said" ] && printf '%s\n' "$said" | tail -n 60 | cut -c 1-300 | sed 's/^/line=/'
:
