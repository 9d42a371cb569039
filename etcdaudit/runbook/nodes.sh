on() { # NODE SCRIPT [ARGUMENT...]: runs a script there as root
  where=$1 what=$2 words=
  shift 2
  for word; do words="$words '$word'"; done
  case " localhost 127.0.0.1 ::1 $(hostname) $(hostname -I 2>/dev/null || true) " in
  *" $where "*) sh -euc "$what" sh "$@" </dev/null ;;
  *) ssh -n -o BatchMode=yes -o ConnectTimeout=20 "root@$where" "set -eu -- $words; $what" ;;
  esac
}
begin() { # NODE: refuses where an earlier run has ended in the middle
  on "$1" '! test -e /etc/kubernetes/etcd.yaml.runbook || { echo "/etc/kubernetes/etcd.yaml.runbook is left of an earlier run, and is the manifest of etcd from before: move it to /etc/kubernetes/manifests/etcd.yaml, or remove it if that is right already" >&2; exit 1; }'
}
stop_etcd() { # NODE: the etcd that has its database in $data
  on "$1" '
    holder() {
      for pid in $(pgrep -x etcd); do
        for file in /proc/"$pid"/fd/*; do
          if test "$file" -ef "$1/member/snap/db"; then echo "$pid"; return; fi
        done
      done
      return 1
    }
    manifest=/etc/kubernetes/manifests/etcd.yaml added=
    if test -f "$manifest"; then
      sed "s/^ *- //" "$manifest" | grep -Fxq -- "--data-dir=$1" || { echo "FILL IN: the etcd of $manifest has its data elsewhere than in $1" >&2; exit 1; }
      holder "$1" >/dev/null || { echo "FILL IN: no etcd of this node has $1/member/snap/db open" >&2; exit 1; }
      added=/etc/kubernetes/etcd.yaml.runbook
      test -f "$added" || cp -p "$manifest" "$added"
      rm "$manifest"
    elif systemctl cat etcd >/dev/null 2>&1; then
      if systemctl cat etcd | grep -Eiq "config[-_]file"; then echo "FILL IN: how flags are added to this etcd, which reads a file" >&2; exit 1; fi
      argv=$(systemctl show --property=ExecStart etcd | sed -n "s/.* argv\[\]=\(.*\) ; ignore_errors=.*/\1/p")
      program=${argv%% *}
      test "${program##*/}" = etcd || { echo "FILL IN: how flags are added to the etcd that $program starts" >&2; exit 1; }
      # systemd shows the words of a line without the quotes that keep them apart.
      if systemctl cat etcd | awk "/^[ \t]*ExecStart[ \t]*=/ || more { quoted = quoted || /[\"\047]/; more = /\\\\\$/ } END { exit !quoted }"; then echo "FILL IN: how flags are added to this etcd, whose line has quotes" >&2; exit 1; fi
      pid=$(holder "$1") || { echo "FILL IN: no etcd of this node has $1/member/snap/db open" >&2; exit 1; }
      test "$(systemctl show --property=MainPID etcd)" = "MainPID=$pid" || { echo "FILL IN: the etcd that has $1/member/snap/db open is not that of the unit etcd" >&2; exit 1; }
      systemctl stop etcd
    else
      echo "FILL IN: how etcd is stopped on this node" >&2; exit 1
    fi
    n=0
    while holder "$1" >/dev/null; do
      n=$((n + 1))
      test "$n" -lt 300 || { echo "etcd still has $1/member/snap/db open${added:+; its manifest is now $added: move it back to $manifest}" >&2; exit 1; }
      sleep 1
    done' "$data"
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
