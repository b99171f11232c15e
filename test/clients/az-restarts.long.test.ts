import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort } from '@strongroom/platform'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const restarts = 20

interface Ended {
  line: string
  code: number
  output: string
}

/** A server as an operator runs it, and shells beside it. */
let home: string
let server: ChildProcess
const environment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: home,
  STRONGROOM_STATE_DIR: join(home, 'state'),
  STRONGROOM_CACHE_DIR: join(home, 'cache'),
  PYTHONWARNINGS: 'ignore',
})

async function shell(line: string, settings: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const script = `strongroom() { ${join(root, 'strongroom')} "$@"; }\n${line}`
  const child = spawn('/bin/bash', ['-c', script], {
    cwd: home,
    env: { ...environment(), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number>((done, fail) => {
    child.once('error', fail)
    child.once('close', (value) => done(value ?? -1))
  })
  return { line, code, output }
}

async function must(line: string, settings?: NodeJS.ProcessEnv): Promise<string> {
  const { code, output } = await shell(line, settings)
  if (code !== 0) throw new Error(`${line} ended with ${code}\n${output}`)
  return output
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'strongroom-restarts-'))
  const ports = ['--port', String(await freePort()), '--local-port', String(await freePort())]
  server = spawn(join(root, 'strongroom'), ['up', '--no-vm', '--compute', 'simulated', ...ports], {
    env: environment(),
    stdio: ['ignore', 'ignore', 'inherit'],
  })
})

afterAll(async () => {
  const ended = new Promise((done) => server.once('exit', done))
  server.kill('SIGTERM')
  await ended
  await rm(home, { recursive: true, force: true })
})

const made = (group: string, name: string): string =>
  `az vm create -g ${group} -n ${name} --image Debian13Cvm --size Standard_DC2as_v5 --admin-username azureuser ` +
  '--generate-ssh-keys --security-type ConfidentialVM --os-disk-security-encryption-type DiskWithVMGuestState ' +
  '--enable-vtpm true --enable-secure-boot true'

/** A quarter of an hour on two busy cores. */
const limitMs = 3_600_000

it(
  `runs the stock az without one failed command while the server is replaced ${restarts} times`,
  { timeout: limitMs },
  async () => {
    await expect.poll(async () => (await shell('strongroom status')).code, { timeout: 600_000 }).toBe(0)
    const settings = JSON.parse(await must('strongroom env --output json')) as Record<string, string>
    await must('eval "$(strongroom env --login)" && az account show', settings)
    for (const group of ['kept', 'changing']) await must(`az group create -n ${group} -l westeurope`, settings)
    await must(made('kept', 'vm'), settings)
    let isOver = false
    const ended: Ended[] = []
    const loop = async (lines: (round: number) => string[]): Promise<void> => {
      for (let round = 0; !isOver; round++) for (const line of lines(round)) ended.push(await shell(line, settings))
    }
    const loops = [
      loop(() => ['az group list', 'az vm list', 'az resource list -g kept', 'az vm list -d -g kept']),
      loop((round) => [
        `az group create -n g${round} -l westeurope`,
        `az network nsg create -g g${round} -n nsg`,
        `az disk create -g g${round} -n data --size-gb 4`,
        `az resource list -g g${round}`,
        `az group delete -n g${round} --yes`,
      ]),
      // In a group of its own: az asks for each VM of a list one by one (-d), and fails for one deleted meanwhile.
      loop((round) => [made('changing', `vm${round}`), `az vm delete -g changing -n vm${round} --yes`]),
    ]
    const pids = new Set<string>()
    try {
      for (let restart = 0; restart < restarts; restart++) {
        // Between two of them each loop gets on with something.
        const before = ended.length
        await expect.poll(() => ended.length, { timeout: 600_000 }).toBeGreaterThan(before + 1)
        pids.add(await must('strongroom restart --output json --query pid'))
      }
    } finally {
      isOver = true
      await Promise.all(loops)
    }
    expect(pids.size).toBe(restarts)
    expect(ended.filter(({ code }) => code !== 0)).toEqual([])
    expect(ended.length).toBeGreaterThan(restarts * 2)
    process.stderr.write(`${ended.length} commands of az during ${restarts} restarts\n`)
  },
)
