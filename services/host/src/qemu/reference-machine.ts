import { mkdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuModels, type GuestInterface } from '@strongroom/contract'
import { firmwarePath } from '@strongroom/firmware'
import { acpiFiles, predictPcr1, tableLoader } from '@strongroom/evidence/expected'
import { startProgram } from '@strongroom/platform'
import { startSwtpm, stopSwtpm, vtpmEnded, type Swtpm } from '../tpm/swtpm.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { machineArguments, type Acceleration } from './arguments.ts'
import { FirmwareConfiguration } from './firmware-configuration.ts'
import { QTest } from './qtest.ts'

/** The parts of a machine that affect its ACPI tables: not the disks behind a controller, and no backends. */
export interface MachineShape {
  acceleration: Acceleration
  cpuModel: string
  vCPUs: number
  memoryMiB: number
  interfaces?: GuestInterface[]
}

const gibibyte = 2 ** 30
/** Size of Debian's OVMF_VARS_4M.fd. */
const variablesBytes = 540_672
const diskBytes = 2 ** 20

/**
 * PCR 1 of a machine's boots, from QEMU itself: a machine of the same shape, whose processors never run, is configured
 * as the firmware would and asked for its tables. This takes a fraction of a second, without a boot.
 * @param o.runtimeDir memory-backed, for one boot
 * @throws ServiceError MachineNotPredicted, VtpmEnded
 */
export async function machineRegister(o: MachineShape & { runtimeDir: string }): Promise<Uint8Array> {
  const directory = join(o.runtimeDir, 'reference')
  await mkdir(directory, { mode: 0o700 })
  try {
    // The guest programs' user does not matter here: nothing belongs to the guest.
    const state = await TpmDirectory.make({ path: join(directory, 'tpm'), user: undefined })
    const tpm = await startSwtpm({ directory: state, name: 'vtpm', startup: 'qemu' })
    try {
      return await predictPcr1(await tablesOf(o, directory, tpm.controlSocket))
    } catch (cause) {
      // A QEMU without its TPM ends too.
      if (await hasEnded(tpm)) throw vtpmEnded({ when: 'while the machine was predicted', found: 'swtpm ended', cause })
      throw cause
    } finally {
      await stopSwtpm(tpm)
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** What the machine's firmware would receive, by the names it asks for. */
async function tablesOf(o: MachineShape, directory: string, tpmSocket: string): Promise<Map<string, Uint8Array>> {
  const at = (name: string): string => join(directory, name)
  for (const [name, length] of [
    ['variables', variablesBytes],
    ['disk', diskBytes],
  ] as const) {
    await writeFile(at(name), '')
    await truncate(at(name), length)
  }
  const qtest = await QTest.listen(at('qtest'))
  try {
    const program = startProgram({
      command: 'qemu-system-x86_64',
      args: [...referenceArguments(o, at, tpmSocket), '-S', '-qtest', `unix:${at('qtest')}`, '-qtest-log', 'none'],
      // Its control channel is its third stream, which is unused.
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      newSession: true,
      dieWithParent: true,
    })
    try {
      await qtest.connect({ ended: program.exited.then(({ code }) => `QEMU ended with ${code}`) })
      return await readTables(qtest, o)
    } finally {
      program.kill('SIGKILL')
      await program.exited
    }
  } finally {
    qtest.close()
  }
}

/** Two processes' ends are reported in any order. */
const hasEnded = async (tpm: Swtpm): Promise<boolean> =>
  await Promise.race([tpm.process.exited.then(() => true), sleep(100, false)])

/** The arguments of a VM without backends behind its devices. */
function referenceArguments(o: MachineShape, at: (name: string) => string, tpmSocket: string): string[] {
  const none = '/nowhere'
  const doors = { metadata: none, time: none, proxy: none, services: none, web: none, names: none }
  const args = machineArguments({
    ...o,
    name: 'reference',
    vmId: '00000000-0000-0000-0000-000000000000',
    firmware: firmwarePath(),
    variables: at('variables'),
    disk: at('disk'),
    dataDisks: [],
    tpmSocket,
    serialLog: '/dev/null',
    network: { macAddress: '02-00-00-00-00-00', sshPort: 1, doors, interfaces: o.interfaces ?? [] },
  })
  return args.map((argument, index) => {
    if (args[index - 1] !== '-netdev') return argument
    const id = /\bid=(\w+)/.exec(argument)?.[1]
    return `hubport,id=${id},hubid=${index}`
  })
}

/** Addresses of OVMF 2025.02 for Q35 (OvmfPkg/Include/IndustryStandard/Q35MchIch9.h, PlatformInitLib). */
const firmware = { pciExpress: 0xe000_0000, powerManagement: 0x600 } as const

/** The firmware's settings before it asks for the tables, as far as they affect them. */
async function readTables(qtest: QTest, o: MachineShape): Promise<Map<string, Uint8Array>> {
  const configure = async (device: number, register: number, value: number): Promise<void> => {
    await qtest.out(0xcf8, 0x8000_0000 + device * 0x800 + register)
    await qtest.out(0xcfc, value)
  }
  // Power management of the ICH9, with its ACPI registers switched on.
  await configure(31, 0x40, firmware.powerManagement + 1)
  await configure(31, 0x44, 0x80)
  await configure(0, 0x64, 0)
  await configure(0, 0x60, firmware.pciExpress + 1)
  // The first device's BAR 4, 64-bit prefetchable, at the start of the window; then memory and ports switched on.
  const window = pciWindow(o)
  await configure(1, 0x20, (window % 2 ** 32) + 0xc)
  await configure(1, 0x24, Math.floor(window / 2 ** 32))
  await configure(1, 0x04, 3)
  const configuration = await FirmwareConfiguration.open(qtest)
  await configuration.negotiateSmi()
  const files = new Map<string, Uint8Array>()
  const loader = await configuration.read(tableLoader)
  files.set(tableLoader, loader)
  for (const name of acpiFiles(loader)) files.set(name, await configuration.read(name))
  return files
}

/**
 * Where OVMF places 64-bit PCI addresses (PlatformInitLib, MemDetect.c): with a processor whose address width it
 * trusts, which is AMD's, the last quarter of its 40 bits; else a separate 32 GiB after the memory.
 */
export function pciWindow(o: Pick<MachineShape, 'cpuModel' | 'memoryMiB'>): number {
  if (o.cpuModel === cpuModels.SNP) return 2 ** 40 - 2 ** 38
  const memory = o.memoryMiB * 2 ** 20
  const below4GiB = memory >= 0xb000_0000 ? 2 * gibibyte : memory
  const end = 4 * gibibyte + memory - below4GiB
  return Math.ceil(end / (32 * gibibyte)) * 32 * gibibyte
}
