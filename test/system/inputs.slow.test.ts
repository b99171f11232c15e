import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { HostQemu } from '../../apps/cli/src/drill/host/qemu.ts'
import { Qmp } from '../../services/host/src/qemu/qmp.ts'
import { argumentNames } from '../boundaries/inputs/found/arguments.ts'
import { openedPaths, verifierPaths } from '../boundaries/inputs/found/opened.ts'
import { devicesIn } from '../boundaries/inputs/found/qemu.ts'
import { sections } from '../boundaries/inputs/page.ts'
import { faultsOf, type Section } from '../boundaries/inputs/row.ts'
import { TestInstallation } from './support/installation.ts'
import { connected } from './support/running-machine.ts'

/** The inventory of docs/proof/inputs.md, compared with one VM that is really booted. */
const installation = await TestInstallation.create()
const qemu = new HostQemu(join(installation.home, 'host-qemu'))
const monitor = join(installation.home, 'monitor')
/** Of the test's own. */
const added = ['-qmp', `unix:${monitor},server=on,wait=off`]
const name = 'inputs'

beforeAll(async () => {
  qemu.add(...added)
  await qemu.install(name)
  await installation.start({ PATH: `${qemu.folder}${delimiter}${process.env['PATH'] ?? ''}` })
  await installation.must('image', 'build')
  await installation.must('vm', 'create', name)
})

afterAll(async () => await installation.remove())

const section = (wanted: string): Section => sections.find(({ id }) => id === wanted)!

/** Faults of what one VM has, or has now: a row is not at fault where another VM has its input. */
const unlisted = (wanted: string, found: readonly string[]): string[] =>
  faultsOf(section(wanted), found).filter((fault) => fault.endsWith(' has no row'))

it('has a row for each argument of the running QEMU', async () => {
  const args = (await readFile(`/proc/${await qemu.pid()}/cmdline`, 'utf8')).split('\0').slice(1, -1)
  expect(args.slice(-added.length)).toEqual(added)
  expect(unlisted('qemu-arguments', argumentNames(args.slice(0, -added.length)))).toEqual([])
})

it('has a row for each device of the running QEMU, and no other', async () => {
  const socket = await connected(monitor)
  try {
    const qmp = await Qmp.begin({ socket, listener: () => {} })
    const show = async (what: string): Promise<string> =>
      String(await qmp.execute('human-monitor-command', { 'command-line': `info ${what}` }))
    const found = devicesIn(await show('qtree'), await show('qom-tree'))
    expect(faultsOf(section('devices'), found)).toEqual([])
  } finally {
    socket.destroy()
  }
})

it('has a row for each UEFI variable of the guest, and no other', async () => {
  const found = (await installation.asRoot(name, 'ls /sys/firmware/efi/efivars')).split('\n')
  expect(faultsOf(section('uefi-variables'), found)).toEqual([])
})

it('has a row for each socket on which the guest listens, and no other', async () => {
  const lines = (await installation.asRoot(name, 'ss --no-header --listening --numeric --tcp --udp')).split('\n')
  const sockets = lines.map((line) => line.split(/\s+/)).map(([type, , , , address]) => `${type} ${address}`)
  const outside = sockets.filter((socket) => !/ (127\.|\[::1\])/.test(socket))
  expect(faultsOf(section('listeners'), outside)).toEqual([])
})

it('has a row for each file and socket of the verifier, and no other', async () => {
  const [root, trace] = [resolve(import.meta.dirname, '../..'), join(installation.home, 'trace')]
  const options = ['-f', '-qq', '-s', '4096', '-e', 'trace=%file,connect', '-o', trace]
  // Without folders of the machine's own, in which programs are looked for first.
  const env = { ...installation.environment(), PATH: '/usr/bin:/bin' }
  const { stdout } = await promisify(execFile)('strace', [...options, join(root, 'strongroom'), 'vm', 'trust', name], {
    env,
  })
  expect(stdout).toContain('Every link holds.')
  const found = verifierPaths(await readFile(trace, 'utf8'), {
    [installation.stateDir]: 'STATE',
    [installation.rootPaths.config]: 'CONFIG',
    [installation.cacheDir]: 'CACHE',
    [root]: 'SOURCE',
  })
  expect(faultsOf(section('verifier-files'), found)).toEqual([])
})

// Last: the agent measures its phases again.
it('has a row for each file that is opened in the guest', async () => {
  const script = [
    'mountpoint --quiet /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing',
    'cd /sys/kernel/tracing',
    "echo 'p:opened do_sys_openat2 file=+0($arg2):ustring' >kprobe_events",
    'echo 8192 >buffer_size_kb; echo 1 >events/kprobes/opened/enable',
    ...['agent sysinit ready', 'health', 'boot-file status', 'secure-boot status'].map(
      (program) => `timeout 120 /usr/lib/strongroom/${program} </dev/null >/dev/null 2>&1 || true`,
    ),
    'timeout 10 /usr/lib/strongroom/commands </dev/null >/dev/null 2>&1 || true',
    'echo 0 >tracing_on; grep --only-matching \'file="/[^"]*"$\' trace | sort --unique',
  ]
  const found = openedPaths((await installation.asRoot(name, script.join('\n'))).split('\n'))
  // What the agent reads in any case: the trace sees it.
  expect(found).toEqual(expect.arrayContaining(['/dev/tpmrmN', '/sys/kernel/security/tpmN/binary_bios_measurements']))
  expect(unlisted('opened', found)).toEqual([])
})
