/** What a ready guest shows its owner of itself. */
export interface Snapshot {
  /** Loaded units of systemd by name. */
  units: string[]
  /** Programs that run: path and digest. */
  programs: string[]
  /** Programs that could run, of the control boot. */
  installed: string[]
  /** Lines of the accounts' file, and digests of keys that log in. */
  accounts: string[]
  /** Marks in the kernel's log and the journal, and the kernel's taint. */
  kernel: string[]
  /** Mode, owner and digest of the owner's canary file. */
  canary: string
  /** Digests of what lies behind the keys: the volume key itself, and what the TPM keeps. */
  keys: string[]
}

const canaryFile = '/var/lib/drill-canary'
const tpmIndex = '0x01500d11'

const guestProgram = (name: string): string => `saw() { while IFS= read -r line; do echo "saw $1 $line"; done; }
${name}`

/** Root runs it in the guest. */
const common =
  guestProgram(`systemctl list-units --all --plain --no-legend --full --type=service,socket,timer,path,mount,swap |
  awk '$2 == "loaded" {print $1}' | saw unit
for path in /proc/[0-9]*/exe; do readlink -e $path; done 2>/dev/null | sort -u | while read -r program; do
  echo "$program $(sha256sum <"$program" | cut -c1-64)"
done | saw program
sort /etc/passwd /etc/shadow | sed -E 's/:\\$[^:]*:/:set:/; s/^([^:]*:[^:]*):[0-9]{5}:/\\1:/' | saw account
cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys 2>/dev/null | sha256sum | cut -c1-64 | saw account
{ dmesg; journalctl --boot --output=cat --no-pager; } | grep --text --only-matching -E 'DRILL[0-9a-f]{20}' | sort -u | saw kernel
echo "taint $(cat /proc/sys/kernel/tainted)" | saw kernel
echo "$(stat --format='%a %U' ${canaryFile}) $(sha256sum <${canaryFile} | cut -c1-64)" | saw canary
dmsetup table --showkeys root 2>/dev/null | grep -oE ' crypt [^ ]+ [0-9a-f]{128} ' | sha256sum | cut -c1-64 | saw keys
tpm2_nvread ${tpmIndex} -C o 2>/dev/null | sha256sum | cut -c1-64 | saw keys
sha256sum </var/lib/strongroom/settled 2>/dev/null | cut -c1-64 | saw keys`)

/** In a life. */
export const lookScript = common

/** In the control boot: plants canaries, shows what they protect, then looks. @param canary hexadecimal @param inTpm hexadecimal */
export const plantScript = (o: { canary: string; inTpm: string }): string => `set -u
printf %s ${o.canary} | xxd -r -p | install -m 0600 -o "$SUDO_USER" /dev/stdin ${canaryFile}
command -v tpm2_nvdefine >/dev/null && { tpm2_nvdefine -Q ${tpmIndex} -C o -s ${o.inTpm.length / 2} &&
  printf %s ${o.inTpm} | xxd -r -p | tpm2_nvwrite -Q ${tpmIndex} -C o -i -; }
sync
${common}
find / -xdev -type f -perm /111 -printf '%p\\n' 2>/dev/null | saw installed
systemctl list-unit-files --plain --no-legend --type=service,socket,timer,path,mount,swap | awk '{print $1}' | saw unit
dmsetup table --showkeys root 2>/dev/null | grep -oE ' crypt [^ ]+ [0-9a-f]{128} ' | awk '{print $3}' | saw volume-key`

/** What a stranger tries who reached a shell. */
export const readCanary = `cat ${canaryFile} | sha256sum | cut -c1-64`

/** The lines of what a script saw. */
export function parseSnapshot(lines: readonly string[]): Snapshot & { volumeKey?: string } {
  const said = (word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? line.slice(word.length + 1).trim() : []))
  const [volumeKey] = said('volume-key')
  return {
    units: said('unit'),
    programs: said('program'),
    installed: said('installed'),
    accounts: said('account'),
    kernel: said('kernel'),
    canary: said('canary').join(),
    keys: said('keys'),
    ...(volumeKey !== undefined && { volumeKey }),
  }
}

/** Programs and units that the control boot had not, marks in logs, other accounts. Empty if nothing of the host's runs. */
export function strangersIn(found: Snapshot, control: Snapshot): string[] {
  const known = new Set([...control.installed, ...control.programs.map((each) => each.split(' ')[0]!)])
  const ran = new Map(control.programs.map((each) => each.split(' ') as [string, string]))
  const programs = found.programs.filter((each) => {
    const [path = '', digest] = each.split(' ')
    return !known.has(path) || (ran.has(path) && ran.get(path) !== digest)
  })
  const units = new Set(control.units.map(template))
  return [
    ...programs.map((each) => `program ${each}`),
    ...found.units.filter((each) => !units.has(template(each)) && !transient.test(each)).map((each) => `unit ${each}`),
    ...found.accounts.filter((each) => !control.accounts.includes(each)).map((each) => `account ${each}`),
    ...found.kernel.filter((each) => !control.kernel.includes(each)).map((each) => `log ${each}`),
  ]
}

/** A login's own. */
const transient = /^(?:run-u\d+|run-r[0-9a-f]+|session-\d+|user-runtime-dir@\d+|user@\d+|run-user-\d+)\./
/** `getty@tty1.service` is of `getty@.service`. */
const template = (unit: string): string => unit.replace(/@.*\./, '@.')
