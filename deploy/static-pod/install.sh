#!/bin/sh
# Installs the static pod on this node, for the first time or beside an older one:
#
#   sh install.sh MANIFEST [DIRECTORY]
#
# MANIFEST is kmsplugin.yaml with your image, DIRECTORY where kubelet looks for static
# pods (/etc/kubernetes/manifests).
#
# kubelet stops a pod before it starts another of the same name, so names alternate
# between kmsplugin-a and kmsplugin-b. Both run until you remove the older one: this
# script cannot know when the newer one serves.
set -eu

fail() {
	echo "$0: $*" >&2
	exit 1
}

[ $# -ge 1 ] || fail "no manifest given: call it as sh $0 MANIFEST [DIRECTORY]"
manifest=$1
directory=${2:-/etc/kubernetes/manifests}

old=kmsplugin-b new=kmsplugin-a
if [ -e "$directory/kmsplugin-a.yaml" ]; then
	old=kmsplugin-a new=kmsplugin-b
fi
[ ! -e "$directory/$new.yaml" ] ||
	fail "$directory has kmsplugin-a.yaml and kmsplugin-b.yaml: an upgrade is not finished. Remove the one that is not needed (docs/install.md), then run this again"

# kubelet ignores names that begin with a dot, so it never reads an incomplete manifest.
next=$directory/.$new.yaml
trap 'rm -f "$next"' EXIT
umask 077
sed "s/^  name: kmsplugin\$/  name: $new/" "$manifest" >"$next"
grep -q "^  name: $new\$" "$next" ||
	fail "$manifest has no line \"  name: kmsplugin\": is it a copy of deploy/static-pod/kmsplugin.yaml?"
mv "$next" "$directory/$new.yaml"

echo "$directory/$new.yaml is in place."
[ -e "$directory/$old.yaml" ] || exit 0
# Without this message a manifest with an unchanged image would look like an upgrade.
if sed "s/^  name: $old\$/  name: $new/" "$directory/$old.yaml" | cmp -s - "$directory/$new.yaml"; then
	echo "It has the same content as $old.yaml: this restarts the plugin, and upgrades nothing."
fi
echo "Once kmsplugin status shows the new plugin: rm $directory/$old.yaml"
