attempt() { # COMMAND...: repeats it until it succeeds
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    test "$tries" -lt 30 || return 1
    sleep 6
  done
}
removed() { # ID
  etcdctl member remove "$1" --command-timeout=30s
  members=$(etcdctl member list --command-timeout=30s) || return 1
  case $members in *"$1, "*) return 1 ;; esac
}
added() { # NAME PEER-URLS
  etcdctl member add "$1" --peer-urls="$2" --command-timeout=30s
  members=$(etcdctl member list --command-timeout=30s) || return 1
  case $members in *", $2, "*) ;; *) return 1 ;; esac
}
replace() { # NAME: the others send the member their database, and it begins a new log
  settle
  members=$(etcdctl member list --command-timeout=30s)
  id=$(echo "$members" | awk -F', ' -v name="$1" '$3 == name { print $1 }')
  peers=$(echo "$members" | awk -F', ' -v name="$1" '$3 == name { print $4 }')
  node=$(echo "$peers" | sed -e 's/,.*//' -e 's|^.*://||' -e 's/:[0-9]*$//' -e 's/[][]//g')
  own=$(echo "$members" | awk -F', ' -v name="$1" '$3 == name { split($5, urls, ","); print urls[1] }')
  other=$(echo "$members" | awk -F', ' -v name="$1" '$3 != name && $2 == "started" && $6 == "false" { print $1; exit }')
  rest=$(echo "$members" | awk -F', ' -v name="$1" '$3 != name { split($5, urls, ","); printf "%s%s", comma, urls[1]; comma = "," }')
  initial=$(echo "$members" | awk -F', ' '{ n = split($4, urls, ","); for (i = 1; i <= n; i++) { printf "%s%s=%s", comma, $3, urls[i]; comma = "," } }')
  test -n "$id" || { echo "no member is called $1" >&2; return 1; }
  on "$node" 'test -d "$1/member/wal" && ! test -L "$1/member/wal" || { echo "its log is not in $1/member/wal" >&2; exit 1; }' "$data"
  on "$node" '! test -e "$1/member.replaced" || { echo "$1/member.replaced is left of an earlier replacement" >&2; exit 1; }' "$data"
  begin "$node"
  etcdctl move-leader "$other" --command-timeout=60s
  settle
  sleep 6 # etcd changes members only where all were connected for 5 s
  stop_etcd "$node"
  if ETCDCTL_ENDPOINTS=$own etcdctl endpoint status --command-timeout=10s >/dev/null 2>&1; then
    echo "$own still answers: what was stopped on $node is not $1, start it again" >&2
    return 1
  fi
  on "$node" 'mv "$1/member" "$1/member.replaced"' "$data"
  all=$ETCDCTL_ENDPOINTS ETCDCTL_ENDPOINTS=$rest
  attempt removed "$id"
  attempt added "$1" "$peers"
  start_etcd "$node" "--initial-cluster=$initial" --initial-cluster-state=existing
  ETCDCTL_ENDPOINTS=$all
  settle
  keep_etcd "$node"
}
