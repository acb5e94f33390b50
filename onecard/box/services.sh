# The service manager of a box: systemd where the box runs it, else supervisord (supervision/).
# Every script that runs on a box can call it (onecard/ssh/prelude.py); no single quotes in here.
#
#   services file UNIT                     print the path of the unit file
#   services cat UNIT                      print the unit file; nothing where there is none
#   services boot                          start the manager itself, and the enabled units with it
#   services shutdown                      stop it, and all units
#   services manager                       print `running` if it runs
#   services reload                        read all unit files again
#   services show UNIT                     print the properties of the unit, as `systemctl show`
#   services start|stop|restart UNIT       ... with the units that are PartOf= it
#   services try-restart UNIT              restart it if it runs
#   services reset UNIT                    forget failures, and the starts that count for the limit
#   services enable|disable UNIT           whether it starts with the box
#   services mask|unmask UNIT              ... that no package has installed, so that none starts it
#   services log UNIT LINES [INVOCATION]...  print the last lines (or `all`), of starts or of all
#   services starts UNIT                   print messages of its latest starts, JSON by lines
#   services dated UNIT LINES              the same with times, as far as the log has them
#   services follow UNIT LINES [INVOCATION]  the last lines, then new ones as they come
#   services sync                          wait until what was written so far can be read
#   services environment UNIT              print the environment of its main process, by lines
#   services processes UNIT                print its process ids
#   services left UNIT                     print what is left of it, by lines
#   services remove UNIT                   stop it, and remove its unit file
services() {
  if [ -d /run/systemd/system ]; then _systemd "$@"; else _supervisord "$@"; fi
}

_systemd() {
  case $1 in
    file) echo "/etc/systemd/system/$2" ;;
    cat) cat "/etc/systemd/system/$2" 2>/dev/null ;;
    boot | shutdown) ;;
    manager) echo running ;;
    reload) systemctl daemon-reload ;;
    show)
      systemctl show "$2" -p LoadState,ActiveState,SubState,Result,InvocationID,NRestarts,MainPID \
        -p UnitFileState,NeedDaemonReload,ActiveEnterTimestamp,StateChangeTimestampMonotonic ;;
    start | stop | restart | try-restart) systemctl "$1" "$2" ;;
    reset) systemctl reset-failed "$2" 2>/dev/null || : ;;
    enable | disable) systemctl "$1" -q "$2" ;;
    mask) systemctl cat "$2" >/dev/null 2>&1 || systemctl mask -q "$2" ;;
    unmask) [ -e "/lib/systemd/system/$2" ] || systemctl unmask -q "$2" ;;
    log) _unit=$2 _lines=$3; shift 3; journalctl --no-pager -q -o cat -n "$_lines" $(_entries "$_unit" "$@") ;;
    # Some ten messages for each start.
    starts)
      journalctl -q --no-pager -o json --output-fields=MESSAGE_ID,INVOCATION_ID -n 100 \
        _PID=1 "UNIT=$2" ;;
    dated) journalctl --no-pager -q -o short-iso -n "$3" -u "$2" ;;
    follow)
      if [ -n "${4:-}" ]; then exec journalctl -q -o cat -f -n "$3" $(_entries "$2" "$4"); fi
      exec journalctl -o short-iso -f -n "$3" -u "$2" ;;
    sync) journalctl --sync ;;
    environment)
      _pid=$(systemctl show "$2" -p MainPID --value)
      [ "${_pid:-0}" = 0 ] || tr "\0" "\n" <"/proc/$_pid/environ" 2>/dev/null || : ;;
    processes) _group_processes "$(systemctl show "$2" -p ControlGroup --value)" ;;
    left) _systemd_left "$2" ;;
    remove)
      systemctl stop "$2" || systemctl kill -s KILL "$2" || :
      rm -rf "/etc/systemd/system/$2" "/etc/systemd/system/$2.d"
      find /etc/systemd/system -mindepth 2 -name "$2" -delete
      rmdir "/etc/systemd/system/$2.wants" 2>/dev/null || :
      systemctl daemon-reload
      systemctl reset-failed "$2" 2>/dev/null || : ;;
    *) echo "services: no such verb: $1" >&2; return 64 ;;
  esac
}

# What the journal has of a unit; of starts, what systemd wrote about them as well.
_entries() {
  if [ -z "${2:-}" ]; then echo "-u $1"; return; fi
  shift
  _found=
  for _each in "$@"; do
    _found="${_found:+$_found + }_SYSTEMD_INVOCATION_ID=$_each + INVOCATION_ID=$_each"
  done
  echo "$_found"
}

# The second is where systemd has its groups beside those of the older version 1.
_group_processes() {
  cat "/sys/fs/cgroup$1/cgroup.procs" "/sys/fs/cgroup/systemd$1/cgroup.procs" 2>/dev/null | sort -u
}

_systemd_left() {
  [ ! -e "/etc/systemd/system/$1" ] && [ ! -L "/etc/systemd/system/$1" ] || echo unit file
  _state=$(systemctl show "$1" -p LoadState,ActiveState --value | paste -sd " ")
  case $_state in "not-found inactive" | "") ;; *) echo "$_state" ;; esac
  find /etc/systemd/system -mindepth 2 -name "$1" | sed "s|.*/\([^/]*\)/[^/]*\$|link in \1|"
}

_supervisord() {
  case $1 in
    file) echo "/etc/onecard/units/$2"; return ;;
    cat) cat "/etc/onecard/units/$2" 2>/dev/null; return ;;
    mask | unmask) return 0 ;; # packages of a container start nothing
  esac
  if [ -d /opt/onecard/lib/onecard/box/supervision ]; then
    # exec: who ends a follower ends the program that follows.
    [ "$1" != follow ] || PYTHONPATH=/opt/onecard/lib exec python3 -B -m onecard.box.supervision "$@"
    PYTHONPATH=/opt/onecard/lib python3 -B -m onecard.box.supervision "$@"
    return
  fi
  case $1 in
    show) printf "%s\n" LoadState=not-found ActiveState=inactive SubState=dead NRestarts=0 MainPID=0 ;;
    shutdown | manager | log | starts | dated | follow | environment | processes | left | remove | reset | reload | sync | stop | try-restart) ;;
    *) echo "error: no service manager of onecard is on this box; run: invoke provision"; return 1 ;;
  esac
}
