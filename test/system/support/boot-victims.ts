import { readFile } from 'node:fs/promises'
import { listProcesses, type SeenProcess } from './processes.ts'

/** A program of a boot that is killed, at one of its steps. */
export interface Victim {
  /** The step, and the program. */
  at: string
  /** Its process, among those that the server has started. */
  is(process: SeenProcess): boolean
  /** What the console shows once the boot has reached this step; undefined if the process itself shows it. */
  console?: RegExp
  /** How the operation ends. */
  ends: { code: RegExp; says: RegExp; found: RegExp }
}

const isQemu = ({ command }: SeenProcess): boolean => command.startsWith('qemu-system')
/** swtpm serves a VM's TPM under different names in turn (services/paravisor/src/tpm). */
const swtpmAs =
  (name: string) =>
  (each: SeenProcess): boolean =>
    each.command === 'swtpm' && each.cmdline.includes(`/${name}.ctrl`)

const tpmEnded = { code: /^Vtpm(Ended|DidNotStart)$/, says: /^The software TPM (exited|did not start)/, found: /swtpm/ }
const qemuEnded = { code: /^GuestDidNotStart$/, says: /^QEMU ended before the guest was ready/, found: /^SIGKILL$/ }

const steps: [step: string, console: RegExp][] = [
  ['boot loader and initrd', /BdsDxe: starting Boot/],
  ['agent', /Starting .*strongroom-agent/],
]

/** While a VM's TPM is created. */
export const manufacture: readonly Victim[] = [
  { at: 'manufacture: swtpm', is: swtpmAs('maker'), ends: tpmEnded },
  { at: 'key of the disk: swtpm', is: swtpmAs('disk-key'), ends: tpmEnded },
]

export const firmwareQemu: Victim = {
  at: 'firmware: QEMU',
  is: isQemu,
  ends: qemuEnded,
}

/** From the disk's key to the guest's report. */
export const starts: readonly Victim[] = [
  { at: 'key of the disk: swtpm', is: swtpmAs('disk-key'), ends: tpmEnded },
  { at: 'endowment: swtpm', is: swtpmAs('setup'), ends: tpmEnded },
  firmwareQemu,
  { at: 'firmware: swtpm', is: swtpmAs('vtpm'), ends: tpmEnded },
  ...steps.flatMap(([step, console]): Victim[] => [
    { ...firmwareQemu, at: `${step}: QEMU`, console },
    { at: `${step}: swtpm`, is: swtpmAs('vtpm'), console, ends: tpmEnded },
  ]),
]

const parentOf = async (pid: number): Promise<number> =>
  Number(/^PPid:\s*(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))?.[1])

/** The victim among the server's own children: other servers of this machine boot guests too. */
export async function findVictim(server: number, victim: Victim): Promise<number | undefined> {
  for (const each of await listProcesses())
    if (victim.is(each) && (await parentOf(each.pid)) === server) return each.pid
  return undefined
}
