for member in $(echo "$ETCDCTL_ENDPOINTS" | tr , ' '); do
  revision=$(etcdctl put sealproof-runbook compact --command-timeout=60s --write-out=fields | sed -n 's/^"Revision" : //p')
  ETCDCTL_ENDPOINTS=$member etcdctl compaction --physical "$revision" --command-timeout=600s
done
