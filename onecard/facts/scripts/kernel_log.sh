# The kernel's messages about NVIDIA's cards.
pick() { grep -E 'NVRM|nouveau.*(fault|error|fail)|[Nn]vidia.*(Key was rejected|taints|disagrees|tainting|signature)|[Uu]nsigned module'; }
messages=$(dmesg 2>/dev/null | pick)
if [ -z "$messages" ] && ! dmesg >/dev/null 2>&1; then
  messages=$(timeout 5 journalctl -q -k -b -o short-monotonic --no-pager 2>/dev/null | pick)
  dmesg >/dev/null 2>&1 || journalctl -q -k -n 1 >/dev/null 2>&1 || echo readable=no
fi
[ "$messages" ] && printf '%s\n' "$messages" | tail -n 60 | cut -c 1-300 | sed 's/^/line=/'
:
