#!/bin/sh
# Written by onecard. Writes for Prometheus what neither vLLM nor node_exporter knows of this box:
# its cards, the ends of the public certificates, and where the server of the release in force and
# the gateway listen.
#
# usage: box-metrics FOLDER CERTIFICATE GATEWAY_CERTIFICATE GATEWAY_CONFIGURATION
set -u
export LC_ALL=C
folder=$1 certificate=$2 gateway_certificate=$3 gateway_configuration=$4

gauge() { printf '# TYPE %s gauge\n' "$1"; }

cards() {
  command -v nvidia-smi >/dev/null || return 0
  query=index,name,memory.used,memory.total,power.draw,temperature.gpu,utilization.gpu
  found=$(timeout 20 nvidia-smi --query-gpu=$query --format=csv,noheader,nounits) && readable=1 || readable=0
  gauge onecard_gpu_readable
  echo "onecard_gpu_readable $readable"
  [ $readable = 1 ] || return 0
  # A value that the card does not report is in brackets.
  printf '%s\n' "$found" | awk -F', *' '
    function number(text) { return text ~ /^[0-9.]+$/ }
    function add(name, text, factor) {
      if (number(text)) lines[name] = lines[name] \
        sprintf("onecard_gpu_%s{gpu=\"%s\",name=\"%s\"} %.15g\n", name, $1, $2, text * factor)
    }
    NF >= 7 {
      add("memory_used_bytes", $3, 1048576); add("memory_total_bytes", $4, 1048576)
      add("power_watts", $5, 1); add("temperature_celsius", $6, 1); add("utilization_ratio", $7, 0.01)
    }
    END { for (name in lines) printf "# TYPE onecard_gpu_%s gauge\n%s", name, lines[name] }'
  journalctl -q -k -b -o short-unix --no-pager 2>/dev/null | awk '
    # 1764460000.123456 host kernel: NVRM: Xid (PCI:0000:06:00): 79, pid=1234, name=vllm, ...
    match($0, /NVRM: Xid \(PCI:[^)]*\): [0-9]+/) {
      split(substr($0, RSTART + 15, RLENGTH - 15), part, /\): /)
      count[part[1]]++; last[part[1]] = $1; code[part[1]] = part[2]
    }
    END {
      print "# TYPE onecard_gpu_xid_errors gauge"
      for (pci in count) printf "onecard_gpu_xid_errors{pci=\"%s\"} %d\n", pci, count[pci]
      print "# TYPE onecard_gpu_xid_last_timestamp_seconds gauge"
      for (pci in count)
        printf "onecard_gpu_xid_last_timestamp_seconds{pci=\"%s\",xid=\"%s\"} %s\n", pci, code[pci], last[pci]
    }'
}

# usage: certificate_end COMMAND FILE
certificate_end() {
  end=$(openssl x509 -enddate -noout -in "$2" 2>/dev/null) || return 0
  echo "onecard_certificate_end_timestamp_seconds{of=\"$1\"} $(date -d "${end#*=}" +%s)"
}

# usage: target ADDRESS:PORT, empty for none. A target of Prometheus, as file_sd_configs reads it.
target() { if [ -n "$1" ]; then echo "[{\"targets\": [\"$1\"]}]"; else echo '[]'; fi; }

server() {
  unit=$(systemctl cat vllm.service 2>/dev/null)
  option() { echo "$unit" | sed -n "s/^ExecStart=.* --$1[ =]\([0-9A-Fa-f.:]*\).*/\1/p"; }
  port=$(option port) address=$(option host)
  case $address in
    '' | 0.0.0.0) address=127.0.0.1 ;;
    ::) address=[::1] ;;
    *:*) address=[$address] ;;
  esac
  target "${port:+$address:$port}"
}

gateway() {
  target "$(sed -n '/^frontend metrics/,/^$/ s/^ *bind //p' "$gateway_configuration" 2>/dev/null)"
}

# A reader sees all of the old content or all of the new.
written() { cat >"$folder/.$1.new" && mv -f "$folder/.$1.new" "$folder/$1"; }

server | written server.json
gateway | written gateway.json
{
  cards
  gauge onecard_certificate_end_timestamp_seconds
  certificate_end expose "$certificate"
  certificate_end gateway "$gateway_certificate"
  gauge onecard_metrics_timestamp_seconds
  echo "onecard_metrics_timestamp_seconds $(date +%s)"
} | written box.prom
