#!/bin/sh
# Runs the kernels' tests on an emulated processor with AVX-512, for machines
# that lack it: Bochs boots Debian's kernel with the tests and nothing else.
#
#     rust_bridge/fast/emulate/avx512.sh [A.rgb B.rgb]...
#
# With pairs of raw RGB square patches also `examples/time` is run on them, once
# a kernel. Emulated time goes by instructions, IPS of them a second, so that its
# milliseconds are a count of instructions (and say nothing of their speed).
#
# Needs Debian on x86-64 (packages are unpacked, not installed), Rust and about
# 20 minutes. Its exit status is the tests'. Environment: PROPTEST_CASES (48),
# TESTS (part of their names), MODEL (one of `bochs -help cpu`), EMULATOR
# (directory for what is downloaded).
set -eu

IPS=100000000
: "${MODEL:=corei7_skylake_x}" "${PROPTEST_CASES:=48}" "${TESTS:=kernel::}"
here=$(cd "$(dirname "$0")" && pwd)
EMULATOR=${EMULATOR:-$(mktemp -d)}
mkdir -p "$EMULATOR"
EMULATOR=$(cd "$EMULATOR" && pwd)
root=$EMULATOR/root

if [ ! -d "$root" ]; then
    image=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p')
    (cd "$EMULATOR" && apt-get download bochs bochsbios vgabios libltdl7 libsamplerate0 \
        libasound2 isolinux syslinux-common genisoimage cpio busybox-static "$image")
    for package in "$EMULATOR"/*.deb; do dpkg -x "$package" "$root"; done
fi
export PATH="$root/usr/bin:$root/bin:$PATH" BXSHARE="$root/usr/share/bochs"
export LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu"
export LTDL_LIBRARY_PATH="$LD_LIBRARY_PATH/bochs/plugins"

# Static, since the emulated machine has no libraries.
build() {
    (cd "$here/../.." && RUSTFLAGS="-C target-feature=+crt-static" cargo "$@" --release \
        --target x86_64-unknown-linux-gnu -p texgen-fast --message-format json) |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'
}
run=$EMULATOR/run
rm -rf "$run"
mkdir -p "$run/init" "$run/disk"
cp "$(build test --lib --no-run)" "$run/init/tests"
cp "$(build build --example time)" "$run/init/time"
cp "$root/bin/busybox" "$here/init" "$run/init"
number=0
for patch in "$@"; do
    number=$((number + 1))
    cp "$patch" "$run/init/$(printf %03d $number).rgb"
done

# The emulator's state of PKU and XSAVES does not agree with itself, so that the
# kernel would give up AVX; with ERMS, FSRM or mitigations it does not boot.
options="mitigations=off clearcpuid=297,321,323,514,515,580"
cat > "$run/disk/isolinux.cfg" <<END
DEFAULT tests
LABEL tests
KERNEL vmlinuz
INITRD initrd
APPEND console=ttyS0,115200 loglevel=3 clocksource=hpet $options PROPTEST_CASES=$PROPTEST_CASES TESTS=$TESTS
END
(cd "$run/init" && find . | cpio -o -H newc --quiet) > "$run/disk/initrd"
cp "$root"/boot/vmlinuz-* "$run/disk/vmlinuz"
cp "$root/usr/lib/ISOLINUX/isolinux.bin" "$root/usr/lib/syslinux/modules/bios/ldlinux.c32" "$run/disk"
genisoimage -quiet -o "$run/disk.iso" -b isolinux.bin -c boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$run/disk"
cat > "$run/bochsrc" <<END
display_library: rfb, options="timeout=0"
romimage: file=$BXSHARE/BIOS-bochs-latest
vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest
megs: 512
cpu: model=$MODEL, ips=$IPS, reset_on_triple_fault=0
clock: sync=none
ata0-master: type=cdrom, path=$run/disk.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$run/serial.txt
log: $run/bochs.log
panic: action=fatal
error: action=ignore
END
echo c > "$run/continue" # Debian's Bochs starts in its debugger.
# It always ends with 1 when the emulated machine is switched off.
bochs-bin -q -f "$run/bochsrc" -rc "$run/continue" > "$run/bochs.out" 2>&1 < /dev/null || true

echo "Bochs, $MODEL, $IPS instructions a second"
cat "$run/serial.txt"
grep -q "^tests: 0" "$run/serial.txt"
