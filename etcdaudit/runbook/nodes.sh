on() { # NODE SCRIPT [ARGUMENT...]: runs a script there as root
  where=$1 what=$2 words=
  shift 2
  for word; do words="$words '$word'"; done
  case " localhost 127.0.0.1 ::1 $(hostname) $(hostname -I 2>/dev/null || true) " in
  *" $where "*) sh -euc "$what" sh "$@" </dev/null ;;
  *) ssh -n -o BatchMode=yes -o ConnectTimeout=20 "root@$where" "set -eu -- $words; $what" ;;
  esac
}
stop_etcd() { # NODE
  on "$1" '
    if test -f /etc/kubernetes/manifests/etcd.yaml; then
      test -f /etc/kubernetes/etcd.yaml.runbook || cp -p /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/etcd.yaml.runbook
      rm /etc/kubernetes/manifests/etcd.yaml
      n=0
      while pgrep -x etcd >/dev/null; do
        n=$((n + 1))
        test "$n" -lt 300 || { echo "etcd still runs" >&2; exit 1; }
        sleep 1
      done
    elif systemctl cat etcd >/dev/null 2>&1; then
      if systemctl cat etcd | grep -Eiq "config[-_]file"; then echo "FILL IN: how flags are added to this etcd, which reads a file" >&2; exit 1; fi
      systemctl stop etcd
    else
      echo "FILL IN: how etcd is stopped on this node" >&2; exit 1
    fi'
}
start_etcd() { # NODE [FLAG...]: with these flags in place of its own of the same name
  there=$1
  shift
  on "$there" '
    if test -f /etc/kubernetes/etcd.yaml.runbook; then
      cp -p /etc/kubernetes/etcd.yaml.runbook /etc/kubernetes/etcd.yaml.new
      for flag; do sed -i -e "/- ${flag%%=*}=/d" -e "s|^\( *\)- etcd\$|&\n\1- $flag|" /etc/kubernetes/etcd.yaml.new; done
      mv /etc/kubernetes/etcd.yaml.new /etc/kubernetes/manifests/etcd.yaml
      test "$#" -gt 0 || rm /etc/kubernetes/etcd.yaml.runbook
    elif systemctl cat etcd >/dev/null 2>&1; then
      added=/run/systemd/system/etcd.service.d/runbook.conf
      rm -f "$added"
      systemctl daemon-reload
      if test "$#" -gt 0; then
        mkdir -p "${added%/*}"
        printf "[Service]\nExecStart=\nExecStart=%s %s\n" "$(systemctl show --property=ExecStart etcd | sed -n "s/.* argv\[\]=\(.*\) ; ignore_errors=.*/\1/p" | sed "s/%/%%/g")" "$*" >"$added"
        for flag; do echo "UnsetEnvironment=ETCD_$(echo "${flag%%=*}" | sed "s/^--//" | tr a-z- A-Z_)"; done >>"$added"
        systemctl daemon-reload
      fi
      systemctl start --no-block etcd
    else
      echo "FILL IN: how etcd is started on this node with the flags $*" >&2; exit 1
    fi' "$@"
}
keep_etcd() { # NODE: forgets what stop_etcd and start_etcd have put aside
  on "$1" 'rm -f /etc/kubernetes/etcd.yaml.runbook /run/systemd/system/etcd.service.d/runbook.conf; systemctl daemon-reload'
}
