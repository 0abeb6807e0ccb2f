# Enter a root: run in new namespaces by unsharesandbox.py, which gives every value as an argument.
#   enter.sh WORK LOWER OVERLAY-OPTION HOSTNAME [BIND-MODE SOURCE TARGET]… -- COMMAND…
# What cannot be set up ends with status 125 and a last line that begins with "enter: ".
set -eu
work=$1 lower=$2 option=$3 name=$4
shift 4
root=$work/root

refused() {
    echo "enter: $1" >&2
    exit 125
}

# Without `volatile` (Linux 5.10) the kernel writes all of the disk's unwritten data out whenever a command has ended and the
# overlay goes. The mark that the mount before this one left says that a crash may have spoiled the folders: there was none.
[ ! -e "$work/work/work/incompat" ] || rm -rf "$work/work/work/incompat"
layers="lowerdir=$lower,upperdir=$work/upper,workdir=$work/work$option"
mount -t overlay overlay -o "$layers,volatile" "$root" 2>/dev/null || mount -t overlay overlay -o "$layers" "$root" ||
    refused "the kernel refuses an overlay file system here"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc" || refused "the kernel refuses a new /proc here"
mount -t tmpfs -o nosuid,mode=0755 tmpfs "$root/dev" || refused "the kernel refuses a tmpfs here"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
# All of them by one process: one for each takes as long as everything else that is done here.
mount --all --fstab "${0%/*}/enter.fstab" --target-prefix "$root" || refused "the kernel refuses devices, terminals or a tmpfs here"
ln -s pts/ptmx /proc/self/fd "$root/dev"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
while [ "$1" != -- ]; do
    if [ -d "$2" ]; then mkdir -p "$root$3"; elif [ ! -e "$root$3" ]; then : >"$root$3"; fi
    mount --rbind "$2" "$root$3" || refused "$2 cannot be seen inside"
    [ "$1" = rw ] || mount -o remount,bind,ro "$root$3" || refused "$2 cannot be made read-only inside"
    shift 3
done
shift
hostname "$name"
ip link set lo up 2>/dev/null || true
exec chroot "$root" "$@"
