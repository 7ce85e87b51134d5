#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Images: what umoci, skopeo and hand have made becomes disks in the cache, and two runs.
. "$(dirname "$0")/lib.sh"
plan 34
export XDG_CACHE_HOME=$work/cache
layers=$work/cache/opengcs/layers-2

# image ARG...: with stdout and stderr kept, the exit code in $code
image() {
	timeout -k 5 "$limit" "$uvmctl" image "$@" > "$work/out" 2> "$work/err" < /dev/null
	code=$?
}

# load IMAGE ARG...: and its digest is all that is said
load() {
	image load "$@"
	[ $code -eq 0 ] && grep -qxE 'sha256:[0-9a-f]{64}' "$work/out" && [ ! -s "$work/err" ]
}

# refused IMAGE ARG... -- WORD...: 125, the words, and nothing half-made is left
refused() {
	local args=()

	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	image load "${args[@]}"
	[ $code -eq 125 ] && said "$@" && ! left_over
}

count_disks() { find "$layers" -name '*.ext4' | wc -l; }
left_over() { find "$layers" -name '*.new' 2> "$work/none" | grep -q .; }
forget() { rm -rf "$work/cache/opengcs"; }

# blob DIGEST: its file in the layout oci
blob() { echo "$work/oci/blobs/sha256/${1#sha256:}"; }

# Two layers, the second one with whiteouts.
make_image "$work/root"
mkdir "$work/root/opaque"
echo 'app:x:1234:99::/srv/app:/bin/sh' >> "$work/root/etc/passwd"
printf 'staff:x:5678:\naudio:x:29:other,app\nvideo:x:44:app\nfruit:x:7:apple\n' > "$work/root/etc/group"
touch "$work/root/gone" "$work/root/opaque/old"
tar -C "$work/root" -cf "$work/1.tar" .
mkdir -p "$work/upper/opaque"
touch "$work/upper/.wh.gone" "$work/upper/opaque/.wh..wh..opq" "$work/upper/opaque/new"
tar -C "$work/upper" -cf "$work/2.tar" .
{
	umoci init --layout "$work/oci" &&
		umoci new --image "$work/oci:v1" &&
		umoci raw add-layer --image "$work/oci:v1" "$work/1.tar" &&
		umoci raw add-layer --image "$work/oci:v1" "$work/2.tar" &&
		umoci config --image "$work/oci:v1" --config.entrypoint /bin/sh --config.entrypoint -c --config.cmd 'pwd; echo $A $B; id; ls / /opaque' \
			--config.env A=image --config.workingdir /etc --config.user root --config.stopsignal SIGINT &&
		skopeo copy -q "oci:$work/oci:v1" "docker-archive:$work/docker.tar:some/name:v1" &&
		skopeo copy -q "oci:$work/oci:v1" "oci-archive:$work/oci.tar:v1" &&
		gzip -k "$work/docker.tar"
} > "$work/err" 2>&1
result $? "images are made, by umoci and skopeo"

load "$work/oci" && [ "$(count_disks)" -eq 2 ]
result $? "OCI layout: a disk for each layer"

bad=0
for disk in "$layers"/*.ext4; do
	e2fsck -fn "$disk" > "$work/err" 2>&1 && [ "$(stat -c %a "$disk")" = 400 ] || bad=1
done
result $bad "the disks are sound and read-only"

load "$work/docker.tar" && load "docker-archive:$work/docker.tar:some/name:v1" && load "$work/docker.tar.gz" &&
	load "$work/oci.tar" && load "oci-archive:$work/oci.tar:v1" && [ "$(count_disks)" -eq 2 ]
result $? "docker save, plain and compressed, and an OCI archive: the same layers, the same disks"

sha256sum "$layers"/* > "$work/sums"
forget
load "$work/docker.tar" && sha256sum -c --quiet "$work/sums"
result $? "made again, of layers that are not compressed: the same bytes"

image inspect "$work/docker.tar"
[ $code -eq 0 ] && tr -d ' \n' < "$work/out" | grep -qF '"platform":"linux/amd64","config":{"Entrypoint":["/bin/sh","-c"],"Cmd":["pwd;echo$A$B;id;ls//opaque"],' &&
	tr -d ' \n' < "$work/out" | grep -qF '"WorkingDir":"/etc","User":"root","StopSignal":"SIGINT"}' &&
	[ "$(grep -c '"cached_bytes":[1-9]' "$work/out")" -eq 2 ]
result $? "inspect: what an image says, and what of it is cached"

# Who has the disks does not read the layers again.
mkdir "$work/few"
cp -a "$work/oci" "$work/few/"
find "$work/few/oci/blobs" -size +1 -type f -exec sh -c 'file=$1; head -c 1 "$file" | grep -q "{" || rm "$file"' - {} \;
load "$work/few/oci"
result $? "cached: the layers are not looked at"

# Other kinds of the same: zstd, and an index of platforms as registries have it.
{
	skopeo copy -q --dest-compress-format zstd --dest-compress "oci:$work/oci:v1" "dir:$work/dir" &&
		umoci new --image "$work/oci:arm" &&
		umoci config --image "$work/oci:arm" --architecture arm64 &&
		umoci raw add-layer --image "$work/oci:arm" "$work/2.tar"
} > "$work/err" 2>&1
result $? "an image for another platform is added, by umoci"

load "$work/oci"; amd=$(cat "$work/out")
load "$work/oci" --platform linux/arm64 && arm=$(cat "$work/out") && [ "$amd" != "$arm" ] &&
	load "oci:$work/oci:v1" && [ "$amd" = "$(cat "$work/out")" ]
result $? "--platform chooses; so does a tag"

forget
refused "$work/oci" --platform linux/s390x -- "$work/oci" 'no image for linux/s390x' 'linux/amd64, linux/arm64'
result $? "no such platform: those that there are are told"

refused "oci:$work/oci:v9" -- 'no image v9' 'v1, arm'
result $? "no such tag: those that there are are told"

umoci tag --image "$work/oci:v1" v1-too > "$work/out" 2>&1 && umoci new --image "$work/oci:empty" &&
	umoci raw add-layer --image "$work/oci:empty" "$work/2.tar" > "$work/out" 2>&1
refused "$work/oci" -- '2 images for linux/amd64' 'oci:PATH:TAG' 'v1-too'
result $? "two images: the user has to say which"

# A nested index, with platforms, and what is no image among it.
descriptor() {
	local digest=$1 platform=$2 file

	file=$(blob "$digest")
	printf '{"digest":"%s","size":%s,"mediaType":"application/vnd.oci.image.manifest.v1+json"%s}' "$digest" "$(stat -c %s "$file")" "$platform"
}
cp -a "$work/oci" "$work/nested"
printf '{"schemaVersion":2,"manifests":[%s,%s,%s]}' \
	"$(descriptor "$arm" ',"platform":{"os":"linux","architecture":"arm64","variant":"v8"}')" \
	"$(descriptor "$amd" ',"platform":{"os":"unknown","architecture":"unknown"}')" \
	"$(descriptor "$amd" ',"platform":{"os":"linux","architecture":"amd64"}')" > "$work/index"
index=$(sha256sum < "$work/index")
cp "$work/index" "$work/nested/blobs/sha256/${index%% *}"
printf '{"schemaVersion":2,"manifests":[{"digest":"sha256:%s","size":1}]}' "${index%% *}" > "$work/nested/index.json"
load "$work/nested" && [ "$amd" = "$(cat "$work/out")" ] && load "$work/nested" --platform linux/arm64/v8
result $? "an index in the index, with platforms"

# zstd: skopeo's dir: has layers as they are; the layout around them by hand.
manifest=$work/dir/manifest.json
mkdir -p "$work/zstd/blobs/sha256"
cp "$work"/dir/* "$work/zstd/blobs/sha256/"
sum=$(sha256sum < "$manifest")
cp "$manifest" "$work/zstd/blobs/sha256/${sum%% *}"
printf '{"schemaVersion":2,"manifests":[{"digest":"sha256:%s","size":1}]}' "${sum%% *}" > "$work/zstd/index.json"
echo '{"imageLayoutVersion":"1.0.0"}' > "$work/zstd/oci-layout"
forget
grep -q zstd "$manifest" && load "$work/zstd" && sha256sum -c --quiet "$work/sums"
result $? "zstd layers: the same disks"

# What is damaged is not used.
forget
layer=$(grep -o 'sha256:[0-9a-f]*","size":[0-9]*}' "$(blob "$amd")" | tail -n 1 | cut -d '"' -f 1)
cp -a "$work/oci" "$work/damaged"
printf 'X' | dd of="$work/damaged/blobs/sha256/${layer#sha256:}" bs=1 seek=9 conv=notrunc status=none
# The other layer is a good one.
refused "oci:$work/damaged:v1" -- 'layer sha256:' damaged "$layer" && [ "$(count_disks)" -eq 1 ]
result $? "a damaged layer"

cp -a "$work/oci/." "$work/damaged/"
forget
sed -i 's/linux/Linux/' "$work/damaged/blobs/sha256/${amd#sha256:}" "$work/damaged/index.json"
printf ' ' >> "$work/damaged/blobs/sha256/${amd#sha256:}"
refused "oci:$work/damaged:v1" -- manifest damaged "$amd"
result $? "a damaged manifest"

rm "$work/damaged/blobs/sha256/${amd#sha256:}"
refused "oci:$work/damaged:v1" -- manifest "${amd#sha256:}" 'No such file'
result $? "a manifest that is missing"

# A layer that wants out.
{
	tar -P -C "$work/root" --transform 's,^,../../,' -cf "$work/hostile.tar" gone &&
		umoci new --image "$work/oci:hostile" && umoci raw add-layer --image "$work/oci:hostile" "$work/hostile.tar"
} > "$work/err" 2>&1
refused "oci:$work/oci:hostile" -- '"../../gone"' 'leads out of the image'
result $? "a layer with .. in a path"

refused "oci:$work/oci:v1" --max-size 1M -- 'more than 1 MiB (--max-size)' &&
	refused "$work/1.tar" --max-size 1M -- 'more than 1 MiB (--max-size)'
result $? "--max-size"

# Killed at any write: what it leaves is not used, and the next one begins anew.
{ (ulimit -f 500; exec "$uvmctl" image load "oci:$work/oci:v1") > "$work/out"; } 2> "$work/err"
code=$?
[ $code -eq $((128 + 25)) ] && [ "$(count_disks)" -le 1 ] && left_over &&
	load "oci:$work/oci:v1" && [ "$(count_disks)" -eq 2 ] && ! left_over &&
	sha256sum -c --quiet "$work/sums"
result $? "killed while it writes: nothing half-made is used, nothing is left after the next"

forget
(trap '' XFSZ; ulimit -f 500; exec "$uvmctl" image load "oci:$work/oci:v1") > "$work/out" 2> "$work/err"
code=$?
[ $code -eq 125 ] && said 'disk of the layer' && [ "$(count_disks)" -le 1 ] && ! left_over
result $? "no room: an error, and nothing is left"

forget
"$uvmctl" image load "oci:$work/oci:v1" > "$work/first" 2> "$work/err" &
other=$!
load "oci:$work/oci:v1"
code=$?
wait $other && [ $code -eq 0 ] && cmp "$work/first" "$work/out" && [ "$(count_disks)" -eq 2 ] && sha256sum -c --quiet "$work/sums"
result $? "two at once: one makes a disk, both have it"

image ls
[ $code -eq 0 ] && grep -qE "^${amd:7:12} +linux/amd64 +2 .* $work/oci\$" "$work/out" && image ls --json &&
	grep -q "^\[{\"digest\":\"$amd\"" "$work/out"
result $? "ls, ls --json"

load "oci:$work/oci:arm" --platform linux/arm64
image rm "${amd:7:9}"
# The layer of the other image stays.
[ $code -eq 0 ] && [ "$(cat "$work/out")" != '' ] && [ "$(count_disks)" -eq 1 ] && image rm "$work/oci" && [ "$(count_disks)" -eq 0 ]
result $? "rm: by digest, by path; layers of others stay"

image rm nothing-like-it
[ $code -eq 125 ] && said 'nothing-like-it: not in the cache' 'image ls' && load "oci:$work/oci:v1" &&
	touch "$layers/$(printf '%064d' 0).new" && image prune --all && [ -z "$(ls -A "$layers")" ]
result $? "rm of nothing; prune --all"

# A load holds the lock until its layers are noted; who is to be kept out does not end by itself.
load "oci:$work/oci:v1" && flock -s "$layers" timeout 1 "$uvmctl" image prune --all > "$work/out" 2> "$work/err"
code=$?
[ $code -eq 124 ] && [ "$(count_disks)" -eq 2 ]
result $? "prune waits for who makes layers"

mkdir -m 777 "$work/others" "$work/others/opengcs"
chmod 777 "$work/others/opengcs"
XDG_CACHE_HOME=$work/others image load "oci:$work/oci:v1"
# What lies below is what counts.
[ $code -eq 0 ] && chmod 777 "$work/others/opengcs/layers-2" && XDG_CACHE_HOME=$work/others image load "oci:$work/oci:v1"
[ $code -eq 125 ] && said "$work/others/opengcs/layers-2" 'not yours alone' XDG_CACHE_HOME
result $? "a cache in which others can write is refused"

# A terminal sees how far it is, if it takes long enough to be seen: the largest layer once more, many times.
for i in {1..60}; do cp "$work/root/bin/busybox" "$work/root/bin/copy-$i"; done
{
	tar -C "$work/root" -cf "$work/large.tar" . && umoci new --image "$work/oci:large" &&
		umoci raw add-layer --image "$work/oci:large" "$work/large.tar"
} > "$work/err" 2>&1
script -qec "$uvmctl image load oci:$work/oci:large" /dev/null < /dev/null > "$work/out" 2>&1 && grep -q 'layer 1 of 1 \[#*\.*\]' "$work/out"
code=$?
forget
script -qec "$uvmctl image load --quiet oci:$work/oci:large" /dev/null < /dev/null > "$work/out" 2>&1 &&
	[ "$(wc -l < "$work/out")" -eq 1 ] && [ $code -eq 0 ]
result $? "a bar on a terminal; --quiet"

# What the container sees: the second layer over the first, and what the image says.
uvm -e B=mine "$work/docker.tar"
[ $code -eq 0 ] && printf '/etc\nimage mine\nuid=0(root) gid=0\n/:\nbin\ndev\netc\nopaque\nproc\nroot\nrun\nsys\ntmp\n\n/opaque:\nnew\n' |
	cmp - "$work/out"
result $? "run: layers in order, whiteouts; command, environment, directory and user of the image"

uvm --entrypoint sh -u app:staff "oci:$work/oci:v1" -c 'id -u; id -g; pwd; echo $HOME'
[ $code -eq 0 ] && printf '1234\n5678\n/etc\n/srv/app\n' | cmp - "$work/out"
result $? "run: --entrypoint, a user and group by name, and a command instead"

uvm --entrypoint sh -u app "oci:$work/oci:v1" -c 'id -g; id -G'
[ $code -eq 0 ] && printf '99\n99 29 44\n' | cmp - "$work/out"
result $? "run: the further groups of a user"

uvm -u stranger "oci:$work/oci:v1"
[ $code -eq 125 ] && said 'user stranger: no such user in the image'
result $? "run: a user that is not there"

# A layer whose root hides all below it.
{
	touch "$work/root/.wh..wh..opq" && tar -C "$work/root" -cf "$work/opaque.tar" . && umoci new --image "$work/oci:opaque" &&
		umoci raw add-layer --image "$work/oci:opaque" "$work/2.tar" &&
		umoci raw add-layer --image "$work/oci:opaque" "$work/opaque.tar"
} > "$work/err" 2>&1
uvm "oci:$work/oci:opaque" ls /opaque
[ $code -eq 0 ] && [ "$(cat "$work/out")" = old ]
result $? "run: a layer that hides all below it"

no_file_left
result $? "no file is left"

finish
