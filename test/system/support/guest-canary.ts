/** Runs in a guest as root, and makes it record its programs from the beginning of each boot: number, arguments, environment. */
export const watchProcesses = `cat >/usr/local/sbin/watch-programs <<'END'
#!/bin/bash
declare -A seen=()
exec 3<> <(:)
while :; do
  for path in /proc/[0-9]*; do
    mapfile -d '' -t arguments <"$path/cmdline" && ((\${#arguments[@]})) || continue
    key="$path \${arguments[*]}"
    [[ -z \${seen["$key"]:-} ]] || continue
    seen["$key"]=1
    mapfile -d '' -t environment <"$path/environ"
    line="\${path#/proc/} \${arguments[*]} \${environment[*]}"
    echo "\${line//$'\\n'/ }"
  done
  read -r -t 0.3 -u 3
done 2>/dev/null >>/run/watched
END
chmod +x /usr/local/sbin/watch-programs
cat >/etc/systemd/system/watch-programs.service <<'END'
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/usr/local/sbin/watch-programs
[Install]
WantedBy=sysinit.target
END
systemctl --quiet enable watch-programs.service
sync`

/** What was recorded since the boot, one program per line; last, whether printf is a builtin of the initrd's shell. */
export const watched = `cat /run/watched; busybox sh -c 'type printf'`

/**
 * Runs in a guest as root: a program with the mark (hexadecimal) in its memory is swapped out to each place and dumps
 * its core, and the mark is written to the temporary disk. Prints where the guest itself then finds it.
 */
export const swapOut = (mark: string): string => `mark=${mark}
resource=/dev/disk/azure/resource file=/var/swapfile work=/var/lib/canary
group=/sys/fs/cgroup/system.slice/canary.service
mkdir -p $work
echo $mark >$work/mark
cat >$work/hold <<'END'
open M, "<", "mark";
chomp($mark = <M>);
$all = $mark x 1_000_000;
open H, ">", "holding";
close H;
sleep 600;
END
# Written, not only allocated: the guest reads what swap wrote through the file system.
dd if=/dev/zero of=$file bs=1M count=128 status=none
chmod 600 $file
holds() { (($(dd if=$1 bs=1M count=128 iflag=direct status=none | grep --text --null-data --count $mark) > 0)); }
for place in $file $resource; do
  mkswap --quiet $place 131072
  swapon $place
  rm -f $work/holding
  systemd-run --quiet --unit=canary --property=LimitCORE=infinity --property=WorkingDirectory=$work perl hold
  for i in $(seq 100); do [[ -e $work/holding ]] && break; sleep 0.2; done
  for i in $(seq 20); do
    (echo 128M >$group/memory.reclaim) 2>/dev/null || true
    (($(<$group/memory.swap.current) > 40000000)) && break
    sleep 0.5
  done
  holds $place && echo "in swap on $place"
  [[ $place == "$resource" ]] || { systemctl stop canary; swapoff $place; }
done
/usr/lib/strongroom/health
kill -ABRT $(systemctl show --property=MainPID --value canary)
for i in $(seq 100); do systemctl --quiet is-active canary || break; sleep 0.2; done
grep --text --quiet $mark $work/core* && echo 'in the core of the program'
swapoff $resource
perl -e 'print $ARGV[0] x 163840' $mark | dd of=$resource bs=4096 oflag=direct iflag=fullblock status=none
holds $resource && echo 'on the temporary disk'
holds /dev/disk/strongroom/temporary || echo 'not on the temporary disk as the host has it'`

/** Runs in a guest as root: writes the mark (hexadecimal) directly to a device, some way behind its beginning. */
export const writeThrough = (mark: string, o: { device: string; mebibytes: number }): string =>
  `perl -e 'print $ARGV[0] x 4096' ${mark} | dd of=${o.device} bs=4096 seek=${o.mebibytes * 256} oflag=direct ` +
  'iflag=fullblock conv=notrunc status=none'
