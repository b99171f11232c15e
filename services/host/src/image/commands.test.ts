import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import {
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandStatus } from '@strongroom/contract'
import { createHttpApp, createLogger, run, systemClock, type FastifyInstance } from '@strongroom/platform'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { commandRoutes } from '../network/command-routes.ts'
import { CommandQueue } from '../network/command-queue.ts'
import { recipesDirectory } from './recipe.ts'

const vmId = '89E7FA0D-B62B-4961-9FC1-8871A5A7B675'

/** The guest's agent for commands, a program on this machine with folders instead of the guest's. */
let directory: string
let app: FastifyInstance
let queue: CommandQueue
let guest: ChildProcess | undefined
/** How often an agent asked for a command. */
let asked = 0
const at = (...names: string[]): string => join(directory, ...names)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'B-commands-'))
  app = createHttpApp({ name: 'metadata', logger: createLogger({ level: 'silent' }) })
  // One route for all boots, each with its own queue.
  const current = (name: keyof CommandQueue): unknown => {
    if (name === 'next') asked += 1
    return (queue[name] as () => unknown).bind(queue)
  }
  commandRoutes(app, new Proxy({} as CommandQueue, { get: (_none, name) => current(name as keyof CommandQueue) }))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  for (const folder of ['state', 'home/owner/.ssh', 'etc']) await mkdir(at(folder), { recursive: true })
  await writeFile(at('state/administrator'), 'owner')
  await writeFile(at('state/machine'), vmId)
  await run({ command: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-f', at('key')] })
  await writeFile(at('home/owner/.ssh/authorized_keys'), await readFile(at('key.pub')))
  const program = await readFile(join(recipesDirectory, 'reference/commands'), 'utf8')
  await writeFile(
    at('commands'),
    program
      .replaceAll('169.254.169.254', '127.0.0.1')
      .replace('/dev/tcp/$address/80', `/dev/tcp/$address/${port}`)
      .replace('http://$address$path', `http://$address:${port}$path`)
      .replace('/var/lib/strongroom', at('state'))
      .replace('of_this_boot=/run/strongroom', `of_this_boot=${at('run')}`)
      .replace('"/home/$', `"${at('home')}/$`)
      .replaceAll('/etc/strongroom', at('etc'))
      // This machine's root counts as encrypted.
      .replace('is_ordinary() {', 'is_ordinary() { return 1;'),
  )
})

afterAll(async () => {
  await end()
  await app.close()
  await rm(directory, { recursive: true, force: true })
})

/** Returns once the agent waits for a command. */
async function start(): Promise<void> {
  const before = asked
  guest = spawn('bash', [at('commands')], { stdio: ['ignore', 'inherit', 'inherit'], detached: true })
  await vi.waitFor(() => expect(asked).toBeGreaterThan(before), { timeout: 20_000, interval: 10 })
}

/** Ends the agent at once, with what it runs. */
async function end(): Promise<void> {
  const child = guest
  guest = undefined
  if (child?.pid === undefined) return
  const ended = new Promise((done) => child.once('close', done))
  process.kill(-child.pid, 'SIGKILL')
  await ended
}

/** A boot: nothing that was in memory is left, and the guest has another number. */
async function boot(): Promise<string> {
  await end()
  queue?.close()
  queue = new CommandQueue(systemClock)
  await rm(at('run'), { recursive: true, force: true })
  await mkdir(at('run'))
  await symlink(randomBytes(16).toString('hex'), at('run/boot'))
  await start()
  return await readlink(at('run/boot'))
}

const headers = (number: string): string[] => [
  `# strongroom-vm: ${vmId}`,
  `# strongroom-boot: ${number}`,
  `# strongroom-expires: ${new Date(Date.now() + 60_000).toISOString()}`,
  '# strongroom-limit: 60',
  `# strongroom-nonce: ${randomBytes(16).toString('hex')}`,
]

async function signed(lines: string[], key = at('key')): Promise<string> {
  const text = `${lines.join('\n')}\n`
  await writeFile(at('text'), text)
  await rm(at('text.sig'), { force: true })
  await run({
    command: 'ssh-keygen',
    args: ['-q', '-Y', 'sign', '-f', key, '-n', 'run-command@strongroom', at('text')],
  })
  const body = (await readFile(at('text.sig'), 'utf8')).replace(/-----.*-----|\s/g, '')
  return `${text}# strongroom-signature: ${body}\n`
}

function submit(script: string, timeoutSeconds = 60): string {
  const id = randomUUID()
  queue.submit({ id, script, parameters: [], timeoutSeconds })
  return id
}

async function outcome(id: string): Promise<CommandStatus> {
  await expect.poll(() => queue.find(id)?.endedAt, { timeout: 20_000, interval: 20 }).toBeDefined()
  return queue.find(id)!
}

const runs = async (script: string): Promise<CommandStatus> => await outcome(submit(script))
const count = async (): Promise<number> => (await readFile(at('count'), 'utf8').catch(() => '')).length
/** Adds one to the number that `count` returns. */
const counts = (): string => `printf x >>${at('count')}`

describe('a signed script in the guest', () => {
  let number: string
  beforeAll(async () => void (number = await boot()))
  beforeEach(async () => await rm(at('count'), { force: true }))

  it('runs in the boot that it names, with what it prints', async () => {
    expect(await runs(await signed([...headers(number), 'echo out; echo err >&2; exit 3']))).toMatchObject({
      state: 'Done',
      exitCode: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    })
  })

  it('runs for as long as it was signed for, whatever limit the host names (attack H23)', async () => {
    const long = await signed([...headers(number), 'sleep 1.5; echo whole'])
    expect(await outcome(submit(long, 1))).toMatchObject({ exitCode: 0, stdout: 'whole\n' })
    const short = await signed([...headers(number).with(3, '# strongroom-limit: 1'), 'sleep 20; echo whole'])
    expect(await outcome(submit(short, 60))).toMatchObject({ exitCode: 124, stdout: '' })
  })

  it('runs where it was signed as docs/guides/guests.md shows, with OpenSSH alone', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../../docs/guides/guests.md'), 'utf8')
    const blocks = [...page.matchAll(/^```\n([^`]+)^```$/gm)].map(([, block]) => block!)
    const recipe = blocks.filter((block) => block.startsWith('VMID=') || block.includes('ssh-keygen'))
    expect(recipe).toHaveLength(2)
    // As az prints what the query selects.
    const shown = [`PowerState/running`, `BootNumber/${number}`, 'Clock/inStep'].join('\\n')
    const az = `az() { case $2 in show) echo ${vmId} ;; get-instance-view) printf '${shown}\\n' ;; esac; }`
    await mkdir(at('.ssh'))
    await copyFile(at('key'), at('.ssh/id_ed25519'))
    await writeFile(at('script.sh'), 'echo by hand\n')
    const script = `set -euo pipefail; cd ${directory}; HOME=${directory}\n${az}\n${recipe.join('\n').replaceAll('~', '$HOME')}`
    await run({ command: 'bash', args: ['-c', script] })
    expect(await runs(await readFile(at('signed.sh'), 'utf8'))).toMatchObject({ exitCode: 0, stdout: 'by hand\n' })
  })

  const withValue = (name: string, value: string) => (lines: string[]) =>
    lines.map((line) => (line.startsWith(`# strongroom-${name}:`) ? `# strongroom-${name}: ${value}` : line))
  const without = (name: string) => (lines: string[]) =>
    lines.filter((line) => !line.startsWith(`# strongroom-${name}:`))
  const and =
    (...more: string[]) =>
    (lines: string[]) => [...lines, ...more]
  const inHereDocument = (name: string) => (lines: string[]) => {
    const [line = ''] = lines.filter((each) => each.startsWith(`# strongroom-${name}:`))
    return [...without(name)(lines), 'cat <<END', line, 'END']
  }
  const limits = /strongroom-limit is not a number of seconds from 1 to 5400/

  it.each([
    ['no VM', without('vm'), /another machine/],
    ['another VM', withValue('vm', vmId.replace('8', '9')), /another machine/],
    ['no boot', without('boot'), /no line strongroom-boot.*sign it again/],
    ['an empty boot', withValue('boot', ''), /another boot of this machine: sign it again/],
    ['another boot', withValue('boot', 'f'.repeat(32)), /another boot of this machine: sign it again/],
    ['its boot in a here-document only', inHereDocument('boot'), /no line strongroom-boot/],
    ['its boot after an empty line only', (lines: string[]) => ['', ...lines], /another machine/],
    ['its boot twice', (lines: string[]) => and(lines[1]!)(lines), /strongroom-boot is there twice/],
    ['two limits', and('# strongroom-limit: 90'), /strongroom-limit is there twice/],
    ['no limit', without('limit'), limits],
    ['a limit of zero', withValue('limit', '0'), limits],
    ['a limit of more than 90 minutes', withValue('limit', '5401'), limits],
    ['a limit in another unit', withValue('limit', '5m'), limits],
    ['no expiry', without('expires'), /expired, or names no expiry time/],
    ['an expiry that is over', withValue('expires', '2026-01-01T00:00:00Z'), /expired, or names no expiry time/],
    ['no nonce', without('nonce'), /no number used once/],
    ['a nonce that is a path', withValue('nonce', '../../aaaaaaaaaaaaaaaaaaaaaaaaaa'), /no number used once/],
    ['a condition that the guest does not know', and('# strongroom-user: nobody'), /strongroom-user is unknown/],
  ] as const)('is refused with %s', async (_what, change, reason) => {
    const refused = await runs(await signed([...change(headers(number)), counts()]))
    expect(refused).toMatchObject({ state: 'Refused', refused: expect.stringMatching(reason) })
    expect(await count()).toBe(0)
  })

  it('is refused unless a key of the administrator signed exactly this text', async () => {
    await run({ command: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-f', at('other')] })
    const lines = [...headers(number), counts()]
    const reason = 'its signature is not by a key of the administrator'
    expect(await runs(await signed(lines, at('other')))).toMatchObject({ refused: reason })
    expect(await runs((await signed(lines)).replace('limit: 60', 'limit: 61'))).toMatchObject({ refused: reason })
    expect(await runs(`${counts()}\n`)).toMatchObject({
      refused: 'the script is not signed by the owner of this machine',
    })
    expect(await count()).toBe(0)
  })

  it('is refused where no boot number was made', async () => {
    const script = await signed([...headers(''), counts()])
    await rm(at('run/boot'))
    const refused = await runs(script)
    await symlink(number, at('run/boot'))
    expect(refused).toMatchObject({ refused: expect.stringMatching(/another boot/) })
  })
})

describe('a signed script that the host delivers again', () => {
  beforeEach(async () => await rm(at('count'), { force: true }))

  it('runs once, also after the agent was restarted (attack H23)', async () => {
    const script = await signed([...headers(await boot()), counts()])
    expect((await runs(script)).state).toBe('Done')
    expect(await runs(script)).toMatchObject({ state: 'Refused', refused: 'it was run before' })
    await end()
    await start()
    expect(await runs(script)).toMatchObject({ state: 'Refused', refused: 'it was run before' })
    expect(await count()).toBe(1)
  })

  it('runs once where the agent was killed while it ran, and its result is unknown (attack H23)', async () => {
    const script = await signed([...headers(await boot()), counts(), 'sleep 20'])
    const id = submit(script)
    await expect.poll(count, { timeout: 20_000, interval: 20 }).toBe(1)
    await end()
    await start()
    expect((await outcome(id)).state).toBe('Unknown')
    expect(await runs(script)).toMatchObject({ state: 'Refused', refused: 'it was run before' })
    expect(await count()).toBe(1)
  })

  it('is refused in the next boot, whatever disk that boot is on (attack H23)', async () => {
    const script = await signed([...headers(await boot()), counts(), 'sleep 20'])
    await cp(at('state'), at('older'), { recursive: true })
    const id = submit(script)
    await expect.poll(count, { timeout: 20_000, interval: 20 }).toBe(1)
    const before = queue
    await boot()
    expect(before.find(id)?.state).toBe('Unknown')
    expect(await runs(script)).toMatchObject({ state: 'Refused', refused: expect.stringMatching(/another boot/) })
    await rm(at('state'), { recursive: true })
    await rename(at('older'), at('state'))
    await boot()
    expect(await runs(script)).toMatchObject({ state: 'Refused', refused: expect.stringMatching(/another boot/) })
    expect(await count()).toBe(1)
    // Nothing about commands is on the disk.
    expect(await readdir(at('state'))).toEqual(['administrator', 'machine'])
  })
})
