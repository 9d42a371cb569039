#!/bin/sh
# Puts the static pod on this node, for the first time or beside an older one:
#
#   sh install.sh MANIFEST [DIRECTORY]
#
# MANIFEST is kmsplugin.yaml with your image, DIRECTORY where kubelet looks for static
# pods (/etc/kubernetes/manifests).
#
# kubelet stops a pod before it starts another of the same name, so names alternate
# between kmsplugin-a and kmsplugin-b: both run until you remove the older, which this
# script leaves to you, because it cannot know when the newer serves.
set -eu

fail() {
	echo "$0: $*" >&2
	exit 1
}

[ $# -ge 1 ] || fail "which manifest? Call it as: sh $0 MANIFEST [DIRECTORY]"
manifest=$1
directory=${2:-/etc/kubernetes/manifests}

old=kmsplugin-b new=kmsplugin-a
if [ -e "$directory/kmsplugin-a.yaml" ]; then
	old=kmsplugin-a new=kmsplugin-b
fi
[ ! -e "$directory/$new.yaml" ] ||
	fail "$directory has kmsplugin-a.yaml and kmsplugin-b.yaml: an upgrade is not finished. Remove the one whose plugin is not wanted (docs/install.md), then call this again"

# kubelet passes over names that begin with a dot, and so never reads half a manifest.
next=$directory/.$new.yaml
trap 'rm -f "$next"' EXIT
umask 077
sed "s/^  name: kmsplugin\$/  name: $new/" "$manifest" >"$next"
grep -q "^  name: $new\$" "$next" ||
	fail "$manifest has no line \"  name: kmsplugin\": is it a copy of deploy/static-pod/kmsplugin.yaml?"
mv "$next" "$directory/$new.yaml"

echo "$directory/$new.yaml is in place."
[ -e "$directory/$old.yaml" ] || exit 0
# Without a word, an image that was forgotten to be changed would pass for an upgrade.
if sed "s/^  name: $old\$/  name: $new/" "$directory/$old.yaml" | cmp -s - "$directory/$new.yaml"; then
	echo "It says what $old.yaml says: this restarts the plugin, and upgrades nothing."
fi
echo "Once kmsplugin status shows the new plugin: rm $directory/$old.yaml"
