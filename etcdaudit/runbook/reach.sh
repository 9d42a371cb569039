settle() { # waits until every member serves; writes first, since a new member of an idle etcd waits for an entry
  n=0
  until etcdctl put sealproof-runbook settle --command-timeout=10s >/dev/null 2>&1 && etcdctl endpoint health --command-timeout=10s >/dev/null 2>&1; do
    n=$((n + 1))
    test "$n" -lt 60 || { echo "not every member serves: see etcdctl endpoint health" >&2; return 1; }
    sleep 2
  done
}
settle
