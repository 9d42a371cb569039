newest() { # NODE: the segment that its etcd writes to
  on "$1" 'ls "$1" | grep "\.wal\$" | tail -n 1 | grep . || { echo "no segment of a log is in $1" >&2; exit 1; }' "$wal"
}
age() { # NODE...: writes to the log until every segment that is there now is removed
  segments=
  for node; do
    begin "$node"
    newest "$node" >/dev/null
  done
  for node; do
    settle
    stop_etcd "$node"
    start_etcd "$node" --max-wals=1 --snapshot-count=100
    settle
    segments="$segments $node=$(newest "$node")"
  done
  value=$(head -c 1000000 /dev/zero | tr '\0' 0)
  n=0
  while test "$n" -lt 200; do # the condition never holds: what is written is in the log, and not in the database
    n=$((n + 1))
    printf 'mod("sealproof-runbook") < "0"\n\nput sealproof-runbook %s\n\n\n' "$value" | etcdctl txn --command-timeout=60s >/dev/null
  done
  for segment in $segments; do # etcd removes segments every 30 s
    on "${segment%%=*}" '
      n=0
      while test -e "$1/$2"; do
        n=$((n + 1))
        test "$n" -lt 300 || { echo "$1/$2 is still there" >&2; exit 1; }
        sleep 1
      done' "$wal" "${segment#*=}"
  done
  for node; do
    stop_etcd "$node"
    start_etcd "$node"
    settle
  done
}
