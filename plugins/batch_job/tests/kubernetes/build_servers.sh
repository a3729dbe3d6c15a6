#!/bin/bash
# Build etcd and the Kubernetes servers from Debian's source package into a folder: build.sh FOLDER
# Needs Debian 12 (13 has no server code), dpkg-dev and 12 minutes of CPU; installs nothing into the system.
set -euo pipefail
target=$(realpath -m "$1")
work=$target.build
version=1.20.2
rm -rf "$work"
mkdir -p "$target" "$work"/{apt/lists/partial,apt/cache/archives/partial,debs,root,src,gopath/src/k8s.io}
cd "$work"

# An apt state of its own, because the machine's may have no sources of source packages.
cp /etc/apt/sources.list.d/debian.sources apt/debian.sources
sed -i 's/^Types:.*/Types: deb deb-src/' apt/debian.sources
cat > apt/apt.conf <<END
Dir::Etc::sourcelist "-";
Dir::Etc::sourceparts "$work/apt/sources.list.d";
Dir::State::lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "root";
END
mkdir apt/sources.list.d && mv apt/debian.sources apt/sources.list.d/
export APT_CONFIG=$work/apt/apt.conf
apt-get update -qq
(cd debs && apt-get download -qq etcd-server golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev)
for deb in debs/*.deb; do dpkg -x "$deb" root; done
(cd src && apt-get source -qq --download-only kubernetes && dpkg-source --no-check -x kubernetes_*.dsc kubernetes)

# The vendored one panics on Go 1.18 and later.
vendored=src/kubernetes/vendor/github.com/modern-go/reflect2
rm -r "$vendored" && cp -r root/usr/share/gocode/src/github.com/modern-go/reflect2 "$vendored"

export GOROOT=$work/root/usr/lib/go-1.19 GOPATH=$work/gopath GOCACHE=$work/gocache
export GO111MODULE=off GOPROXY=off CGO_ENABLED=0 PATH=$work/root/usr/lib/go-1.19/bin:$PATH
ln -s "$work/src/kubernetes" gopath/src/k8s.io/kubernetes
cd gopath/src/k8s.io/kubernetes
package=k8s.io/kubernetes

# Debian's source lacks one generated file.
go build -o "$work/openapi-gen" $package/vendor/k8s.io/kube-openapi/cmd/openapi-gen
vendors=$(ls -d vendor/k8s.io/*/ | grep -vE 'code-generator|sample-apiserver|gengo|kube-openapi')
# shellcheck disable=SC2086
inputs=$(grep -rl --include='*.go' '+k8s:openapi-gen=' pkg/ cmd/ plugin/ $vendors |
    grep -v -e _test.go -e /testdata/ | xargs -n1 dirname | sort -u | sed "s#^#$package/#" | paste -sd,)
"$work/openapi-gen" --logtostderr -i "$inputs" -p $package/pkg/generated/openapi -O zz_generated.openapi \
    -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$work/violations.report"

stamp="-s -w -X $package/vendor/k8s.io/component-base/version.gitVersion=v$version"
for program in kube-apiserver kube-controller-manager kube-scheduler; do
    go build -ldflags "$stamp" -o "$target/$program" "$package/cmd/$program"
done
# Last, so that a folder with etcd in it is complete.
cp "$work/root/usr/bin/etcd" "$target/etcd"
cd / && chmod -R u+w "$work" && rm -rf "$work"
