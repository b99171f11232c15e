import { mkdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { firmwarePath } from '@strongroom/firmware'
import { acpiFiles, pciWindow, tableLoader } from '@strongroom/evidence/expected'
import { startProgram } from '@strongroom/platform'
import { startSwtpm, stopSwtpm, vtpmEnded, type Swtpm, TpmDirectory } from '@strongroom/paravisor/tpm'
import { machineArguments } from './arguments.ts'
import { FirmwareConfiguration } from './firmware-configuration.ts'
import { machineOf, type MachineShape } from './machine-shape.ts'
import { QTest } from './qtest.ts'

/** Size of Debian's OVMF_VARS_4M.fd. */
const variablesBytes = 540_672
const diskBytes = 2 ** 20

/**
 * The files that the installed QEMU gives the firmware of a machine for its ACPI tables, to compare with those that
 * verifiers compute (machineTables): a machine of the same shape, whose processors never run, is configured as the
 * firmware would and asked for them. This takes a fraction of a second, without a boot.
 * @param o.runtimeDir memory-backed
 * @throws ServiceError MachineNotPredicted, VtpmEnded
 */
export async function tablesOfQemu(o: MachineShape & { runtimeDir: string }): Promise<Map<string, Uint8Array>> {
  return await withReferenceMachine(o, async (qtest) => await readTables(qtest, o))
}

/** Asks a machine of this shape whose processors never run. @throws ServiceError MachineNotPredicted, VtpmEnded */
export async function withReferenceMachine<T>(
  o: MachineShape & { runtimeDir: string },
  ask: (qtest: QTest) => Promise<T>,
): Promise<T> {
  const directory = join(o.runtimeDir, 'reference')
  await mkdir(directory, { mode: 0o700 })
  try {
    // The guest programs' user does not matter here: nothing belongs to the guest.
    const state = await TpmDirectory.make({ path: join(directory, 'tpm'), user: undefined })
    const tpm = await startSwtpm({ directory: state, name: 'vtpm', startup: 'qemu' })
    try {
      return await askMachine({ ...o, directory, tpmSocket: tpm.controlSocket }, ask)
    } catch (cause) {
      // A QEMU without its TPM ends too.
      if (await hasEnded(tpm)) throw vtpmEnded({ when: 'while QEMU reported its tables', found: 'swtpm ended', cause })
      throw cause
    } finally {
      await stopSwtpm(tpm)
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function askMachine<T>(
  o: MachineShape & { directory: string; tpmSocket: string },
  ask: (qtest: QTest) => Promise<T>,
): Promise<T> {
  const at = (name: string): string => join(o.directory, name)
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
      args: [...referenceArguments(o, at, o.tpmSocket), '-qtest', `unix:${at('qtest')}`, '-qtest-log', 'none'],
      // Its control channel is its third stream, which is unused.
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      newSession: true,
      dieWithParent: true,
    })
    try {
      await qtest.connect({ ended: program.exited.then(({ code }) => `QEMU ended with ${code}`) })
      return await ask(qtest)
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
  const unconnected = args.map((argument, index) => {
    if (args[index - 1] !== '-netdev') return argument
    const id = /\bid=(\w+)/.exec(argument)?.[1]
    return `hubport,id=${id},hubid=${index}`
  })
  // Its memory is never written, and may be more than this host has.
  const memory = `memory-backend-ram,id=memory,size=${o.memoryMiB}M,reserve=off`
  return [...unconnected, '-object', memory, '-machine', 'memory-backend=memory']
}

/** Addresses of OVMF 2025.02 for Q35 (OvmfPkg/Include/IndustryStandard/Q35MchIch9.h, PlatformInitLib). */
const firmware = { pciExpress: 0xe000_0000, powerManagement: 0x600 } as const

/**
 * What the machine's firmware would receive, by the names it asks for. Its settings before it asks for the tables are
 * made as far as they affect them.
 */
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
  const window = pciWindow(machineOf(o))
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
