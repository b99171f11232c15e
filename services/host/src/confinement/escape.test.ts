import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort, hasLandlock, startProgram, type OwnedProcess, type ProgramError, giveTo } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeRuntime, type Runtime } from '../records/layout.ts'
import { openDoor } from '../network/doors/door.ts'
import { copyImage } from '../qemu/image-copy.ts'
import { VmProcess } from '../qemu/vm-process.ts'
import { startSwtpm, stopSwtpm, tpmTool, TpmDirectory } from '@strongroom/paravisor/tpm'

/**
 * Code that has taken over a VM's QEMU or swtpm: a program of that name, started like the real one, tries an attacker's
 * actions and reports how far it got. This process is the server; it runs as root, because otherwise no VM has a
 * separate user.
 */
const root = process.geteuid?.() === 0
const landlock = hasLandlock()

/** Each try prints `NAME yes` or `NAME no`. */
const attacker = (targets: object, tell: string): string => `#!/usr/bin/python3
import ctypes, json, os, socket, subprocess, sys
targets = json.loads(${JSON.stringify(JSON.stringify(targets))})
libc = ctypes.CDLL(None, use_errno=True)
said = {}
def attempt(name, work):
    try:
        said[name] = 'no' if work() is False else 'yes'
    except (OSError, subprocess.SubprocessError) as error:
        said[name] = 'no'
def connect(path):
    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(path)
for name, path in targets['read'].items():
    attempt('read ' + name, lambda: open(path, 'rb').read(1))
for name, path in targets['write'].items():
    attempt('write ' + name, lambda: open(path, 'ab').write(b'x'))
for name, path in targets['connect'].items():
    attempt('connect ' + name, lambda: connect(path))
for name, pid in targets['processes'].items():
    attempt('signal ' + name, lambda: os.kill(pid, 0))
    attempt('trace ' + name, lambda: libc.ptrace(0x4206, pid, 0, 0) == 0)
    attempt('memory of ' + name, lambda: os.open('/proc/%d/mem' % pid, os.O_RDONLY))
    attempt('files of ' + name, lambda: os.listdir('/proc/%d/fd' % pid))
attempt('become root', lambda: os.setuid(0))
attempt('be root by a program', lambda: b'euid=0' in subprocess.run([targets['setuid']], capture_output=True).stdout)
attempt('write to its disk', lambda: os.pwrite(int(targets['disk']), b'OWN', 0)) if 'disk' in targets else None
text = json.dumps(said)
${tell}
`

type Said = Record<string, 'yes' | 'no'>

describe.skipIf(!root)('what has taken over a program of a VM', () => {
  const [vmA, vmB] = ['5A1E0000-0000-4000-8000-00000000E5CA', '5A1E0000-0000-4000-8000-00000000E5CB']
  let folder: string
  let programs: string
  let state: string
  let a: Runtime
  let b: Runtime
  let other: OwnedProcess
  const servers: Server[] = []
  const path = process.env['PATH'] ?? ''

  const listen = async (at: string): Promise<string> => {
    const server = createServer((socket) => socket.end())
    servers.push(server)
    await openDoor(server, at)
    return at
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'escape-'))
    await chmod(folder, 0o755)
    programs = join(folder, 'programs')
    await mkdir(programs, { mode: 0o755 })
    await copyFile('/usr/bin/id', join(programs, 'id'))
    await chmod(join(programs, 'id'), 0o4755)
    state = join(folder, 'state')
    await mkdir(join(state, 'run'), { recursive: true, mode: 0o700 })
    for (const name of ['vault.db', 'master.key', 'own-disk.raw', 'other-disk.raw', 'firmware', 'variables'])
      await writeFile(join(state, name), name, { mode: 0o600 })
    ;[a, b] = [await makeRuntime(vmA), await makeRuntime(vmB)]
    await TpmDirectory.make({ path: join(b.runtimeDir, 'tpm'), user: b.user, state: Buffer.from('secret') })
    await writeFile(join(a.runtimeDir, 'variables.fd'), 'variables', { mode: 0o600 })
    await giveTo(await listen(join(a.runtimeDir, 'proxy')), a.user)
    await giveTo(await listen(join(b.runtimeDir, 'proxy')), b.user)
    await listen(join(state, 'run/owner.sock'))
    const confinement = { user: b.user!, ...(landlock && { opens: {} }) }
    other = startProgram({ command: 'sleep', args: ['600'], confinement, dieWithParent: true })
    process.env['PATH'] = `${programs}${delimiter}${path}`
  })

  afterAll(async () => {
    process.env['PATH'] = path
    other?.kill('SIGKILL')
    for (const server of servers) server.close()
    for (const runtime of [a, b]) if (runtime !== undefined) await rm(runtime.runtimeDir, { recursive: true })
    await rm(folder, { recursive: true, force: true })
  })

  const targets = (): object => ({
    read: {
      'the vault’s database': join(state, 'vault.db'),
      'the master key': join(state, 'master.key'),
      'another VM’s disk': join(state, 'other-disk.raw'),
      'another VM’s vTPM': join(b.runtimeDir, 'tpm/tpm2-00.permall'),
      'its disk by name': join(state, 'own-disk.raw'),
      'its variables by name': join(a.runtimeDir, 'variables.fd'),
      passwords: '/etc/shadow',
      'a file that every user may read': '/etc/passwd',
      'the memory of the machine': '/dev/mem',
    },
    write: {
      'its directory': join(a.runtimeDir, 'planted'),
      'another VM’s directory': join(b.runtimeDir, 'planted'),
      'the state directory': join(state, 'planted'),
      'the temporary directory': join(tmpdir(), `planted-${process.pid}`),
      'memory that all share': `/dev/shm/planted-${process.pid}`,
      programs: '/usr/local/bin/planted',
    },
    connect: {
      'its door': join(a.runtimeDir, 'proxy'),
      'another VM’s door': join(b.runtimeDir, 'proxy'),
      'the operator’s socket': join(state, 'run/owner.sock'),
    },
    processes: { 'the server': process.pid, 'another VM’s program': other.pid, init: 1 },
    setuid: join(programs, 'id'),
  })

  /** All attempts and their results; all but these failed. */
  const expectOnly = (said: Said, allowed: string[]): void => {
    expect(Object.keys(said).length).toBeGreaterThan(28)
    const done = Object.keys(said).filter((name) => said[name] === 'yes')
    // Without Landlock its user protects private files, but not world-readable ones.
    const shared = [
      'read a file that every user may read',
      'write the temporary directory',
      'write memory that all share',
    ]
    expect(done.filter((name) => landlock || !shared.includes(name)).toSorted()).toEqual(allowed.toSorted())
  }

  const program = async (name: string, text: string): Promise<void> =>
    await writeFile(join(programs, name), text, { mode: 0o755 })

  /** The results of a program in QEMU's place, with or without a VM's user. */
  const asQemu = async (user: number | undefined): Promise<Said> => {
    const [disk, errorLog] = [join(state, 'own-disk.raw'), join(state, 'qemu.log')]
    // QEMU receives firmware, variables and disk from the fourth descriptor on.
    await program('qemu-system-x86_64', attacker({ ...targets(), disk: 6 }, 'sys.stderr.write(text)'))
    const doors = {
      metadata: '/m',
      time: '/t',
      proxy: join(a.runtimeDir, 'proxy'),
      services: '/s',
      web: '/w',
      names: '/n',
    }
    const network = { macAddress: '02-53-52-19-EF-25', sshPort: await freePort(), doors }
    const machine = {
      name: 'a',
      vmId: vmA,
      acceleration: 'tcg' as const,
      cpuModel: 'max',
      vCPUs: 1,
      memoryMiB: 64,
      firmware: join(state, 'firmware'),
      variables: join(state, 'variables'),
      disk,
      dataDisks: [],
      serialLog: join(state, 'serial.log'),
      network,
    }
    await expect(VmProcess.start({ machine, errorLog, user })).rejects.toThrow('QEMU exited')
    return JSON.parse(await readFile(errorLog, 'utf8')) as Said
  }

  it('is a user of its own, of no other VM’s', () => {
    expect(a.user).toBeGreaterThanOrEqual(0x7000_0000)
    expect(b.user).not.toBe(a.user)
  })

  it('reaches from QEMU its open files and its own doors alone (attack H11)', async () => {
    expectOnly(await asQemu(a.user), ['connect its door', 'write to its disk'])
    expect(await readFile(join(state, 'own-disk.raw'), 'utf8')).toBe('OWN-disk.raw')
  })

  it.skipIf(!landlock)(
    'opens nothing and traces nobody where it has no user of its own either (attack H11)',
    async () => {
      const said = await asQemu(undefined)
      const held = Object.keys(said).filter((name) => /^(read|write|trace|memory|files) /.test(name))
      expect(held.length).toBeGreaterThan(22)
      expect(held.filter((name) => said[name] === 'yes')).toEqual(['write to its disk'])
    },
  )

  it('reaches from a reader of images nothing but the image and its copy (attack H11)', async () => {
    const [from, to] = [join(state, 'image.qcow2'), join(state, 'image.raw')]
    await writeFile(from, 'image')
    await program('qemu-system-x86_64', attacker({ ...targets(), disk: 4 }, 'sys.stderr.write(text)'))
    const error: unknown = await copyImage({ from, format: 'qcow2', to }).catch((thrown: unknown) => thrown)
    expectOnly(JSON.parse((error as ProgramError).stderr) as Said, [])
    expect(await readFile(from, 'utf8')).toBe('image')
  })

  it('reaches from a tool that a TPM answered the TPM’s directory alone (attack H11)', async () => {
    const directory = await TpmDirectory.make({ path: join(a.runtimeDir, 'tools'), user: a.user })
    const tool = attacker(targets(), `open(${JSON.stringify(directory.at('said'))}, 'w').write(text)`)
    await program('tpm2_getcap', tool)
    await program(
      'swtpm',
      '#!/usr/bin/python3\nimport socket, time\n' +
        `s = socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(directory.at('tool'))}); s.listen()\n` +
        'time.sleep(600)\n',
    )
    const tpm = await startSwtpm({ directory, name: 'tool', startup: 'clear' })
    try {
      await tpmTool(tpm, 'tpm2_getcap', ['pcrs'])
      expectOnly(JSON.parse((await directory.take('said')).toString()) as Said, ['connect its door'])
    } finally {
      await stopSwtpm(tpm)
    }
  })

  it('reaches from swtpm its own state alone (attack H11)', async () => {
    const directory = await TpmDirectory.make({ path: join(a.runtimeDir, 'tpm'), user: a.user })
    const own = join(directory.path, 'said')
    const tell = `open(${JSON.stringify(own)}, 'w').write(text)
s = socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(join(directory.path, 'vtpm.ctrl'))}); s.listen()
import time; time.sleep(600)`
    await program('swtpm', attacker(targets(), tell))
    const tpm = await startSwtpm({ directory, name: 'vtpm', startup: 'qemu' })
    try {
      expectOnly(JSON.parse(await readFile(own, 'utf8')) as Said, ['connect its door'])
      expect((await stat(own)).uid).toBe(a.user)
      const status = await readFile(`/proc/${tpm.process.pid}/status`, 'utf8')
      expect(status).toMatch(new RegExp(`^Uid:(\\t${a.user}){4}$`, 'm'))
      expect(status).toMatch(new RegExp(`^Gid:(\\t${a.user}){4}$`, 'm'))
      expect(status).toMatch(/^Groups:\s*$/m)
      expect(status).toMatch(/^NoNewPrivs:\t1$/m)
      for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
        expect(status).toMatch(new RegExp(`^Cap${set}:\\t0{16}$`, 'm'))
      expect(await readFile(`/proc/${tpm.process.pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 /m)
    } finally {
      await stopSwtpm(tpm)
    }
  })
})
