import { runProgram } from '../host/programs.ts'

const emulator = 'qemu-system-x86_64'

/** An option as `-help` shows it. */
export interface HelpOption {
  name: string
  /** Its first word, if it takes a value without `key=`. */
  word?: string
  keys: { key: string; values: string[] }[]
}

/** Options that act on the machine below, on its network or on QEMU itself, and say nothing to the guest. */
const ofTheMachine = new RegExp(
  '^(?:h|help|version|daemonize|runas|run-with|chroot|writeconfig|readconfig|pidfile|D|d|trace|incoming|only-migratable|' +
    'monitor|qmp|qmp-pretty|mon|chardev|serial|parallel|debugcon|vnc|spice|display|netdev|net|nic|virtfs|fsdev|' +
    'audiodev|audio|dump-vmstate|loadvm|plugin|gdb|s|S|perfmap|jitdump|tb-size|qtest|qtest-log|add-fd|set|msg|' +
    'enable-sync-profile|mem-path|mem-prealloc|tpmdev|iscsi|object|sandbox|name|dfilter|enable-fips|nographic|' +
    'accel|enable-kvm|xen-.*|L|usbdevice|async-teardown|semihosting.*|compat|echr|option-rom-log)$',
)
/** Devices that are a device, a process or memory of the machine below. */
const ofTheMachineBelow =
  /^(?:vfio|usb-host|vhost|ivshmem|scsi-generic|scsi-block|xen|vmbus|ipmi-bmc-extern|u2f-passthru)/

/** Options of `-help` that a guest can notice. */
export function parseOptions(help: string): HelpOption[] {
  const found: HelpOption[] = []
  for (const line of help.split('\n')) {
    const [, name, rest = ''] = /^-([A-Za-z_][\w-]*)(?: +(.*))?$/.exec(line) ?? []
    if (name === undefined || ofTheMachine.test(name)) continue
    const usage = rest.split(/ {2,}/)[0] ?? ''
    const keys = [...usage.matchAll(/([a-z][\w.-]*)=([^\s,[\]]+)/g)].map(([, key = '', values = '']) => ({
      key,
      values: values.includes('|') ? values.split('|') : [],
    }))
    const word = /^[a-z_]+/.exec(usage)?.[0]
    found.push({ name, ...(keys.length === 0 && word !== undefined && { word }), keys })
  }
  return found
}

/** Models of `-device help` on buses that the VM's machine has. */
export const parseDevices = (help: string): string[] =>
  [...help.matchAll(/^name "([^"]+)", bus (?:PCI|ISA|SCSI)\b/gm)]
    .map(([, name]) => name!)
    .filter((name) => !ofTheMachineBelow.test(name))

/** Properties of `-device MODEL,help`, with their types. */
export const parseProperties = (help: string): { key: string; type: string }[] =>
  [...help.matchAll(/^ {2}([\w-]+)=<([^>]+)>/gm)].map(([, key = '', type = '']) => ({ key, type }))

const ask = async (...args: string[]): Promise<string> =>
  (await runProgram(emulator, args, { anyCode: true, timeoutMs: 30_000 })).stdout

/** What the installed QEMU can be told. */
export interface QemuHelp {
  options: readonly HelpOption[]
  devices: readonly string[]
  propertiesOf(device: string): Promise<readonly { key: string; type: string }[]>
}

export const askQemu = async (): Promise<QemuHelp> => ({
  options: parseOptions(await ask('-help')),
  devices: parseDevices(await ask('-device', 'help')),
  propertiesOf: async (device) => parseProperties(await ask('-device', `${device},help`)),
})
