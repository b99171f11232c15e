import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

/** Signatures of the ACPI tables that lie one behind the other. */
export function tablesIn(bytes: Uint8Array): string[] {
  const view = Buffer.from(bytes)
  const found: string[] = []
  for (let at = 0; at + 8 <= view.length && view[at] !== 0; at += Math.max(view.readUInt32LE(at + 4), 8))
    found.push(view.toString('latin1', at, at + 4))
  return [...new Set(found)]
}

/** Types of the SMBIOS structures (DSP0134, section 6.1.2): a header with its length, then strings up to two zeros. */
export function structuresIn(bytes: Uint8Array): string[] {
  const view = Buffer.from(bytes)
  const found: string[] = []
  for (let at = 0; at + 4 <= view.length;) {
    found.push(String(view[at]))
    const strings = view.indexOf('\0\0', at + view[at + 1]!, 'latin1')
    if (strings < 0) break
    at = strings + 2
  }
  return [...new Set(found)]
}

/** Commands of the installed QEMU's control channel that do more than query. */
export async function commandsOfQemu(): Promise<string[]> {
  const args = ['-machine', 'none', '-nodefaults', '-display', 'none', '-qmp', 'stdio']
  const qemu = spawn('qemu-system-x86_64', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  qemu.stdin.write('{"execute":"qmp_capabilities"}{"execute":"query-commands"}{"execute":"quit"}')
  const answers = (await text(qemu.stdout)).split('\n').filter((line) => line.includes('"return": ['))
  const { return: commands } = JSON.parse(answers[0] ?? '{"return":[]}') as { return: { name: string }[] }
  return commands.map(({ name }) => name).filter((name) => !/^(x-)?query-|^x-debug-/.test(name))
}

/** Parts of QEMU's object tree that are no devices. */
const plumbing = /^(container|irq|memory-region|ISA|PCIE|SCSI|System|virtio-pci-bus)$/

/** Types of devices in `info qtree` and `info qom-tree`: the first leaves out those without a bus. */
export function devicesIn(qtree: string, objects: string): string[] {
  const onBuses = [...qtree.matchAll(/^ *dev: ([^,\s]+),/gm)]
  const all = [...objects.matchAll(/\(([^()\s]+)\)\s*$/gm)].filter(([, type]) => !plumbing.test(type!))
  return [...new Set([...onBuses, ...all].map(([, type]) => type!))]
}
