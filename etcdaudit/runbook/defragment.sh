for member in $(echo "$ETCDCTL_ENDPOINTS" | tr , ' '); do
  settle
  ETCDCTL_ENDPOINTS=$member etcdctl defrag --command-timeout=600s
done
settle
