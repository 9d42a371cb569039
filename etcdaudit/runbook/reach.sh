command -v etcdctl >/dev/null || { echo "there is no etcdctl in PATH" >&2; exit 1; }
settle() { # waits until every member serves; writes first, since a new member of an idle etcd waits for an entry
  n=0
  until why=$({ etcdctl put sealproof-runbook settle --command-timeout=10s && etcdctl endpoint health --command-timeout=10s; } 2>&1 >/dev/null); do
    n=$((n + 1))
    test "$n" -lt 60 || { echo "not every member serves: $why" >&2; return 1; }
    test "$n" -ne 3 || echo "waiting until every member serves: $why" >&2
    sleep 2
  done
}
settle
