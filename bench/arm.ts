import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { Agent, request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { askAsOwner } from '../apps/cli/src/client/https.ts'
import { serverCommand } from '../apps/cli/src/up/server-command.ts'
import { freePort } from '@strongroom/platform'
import { measureAzurite } from './azurite/azurite.ts'
import { processorSeconds, residentMebibytes } from './support/process.ts'
import { step } from './support/progress.ts'
import { machineFacts, printReport } from './support/report.ts'

const size = 'Standard_DC2as_v5'
const location = 'westeurope'
const first = 100
const listed = 1_000
/** A slow machine creates fewer VMs; the figures say how many. */
const mostSeconds = 120
/** Two self-checks of the server (apps/strongroomd/src/collect-at-rest.ts) and the collection. */
const restMs = 15_000
const goals = { create: 50, get: 3_000, listMilliseconds: 50, kibibytesPerVm: 20 }

interface Figures {
  createPerSecond: { at100: number; atMost: number }
  getPerSecond: number
  listMilliseconds: number
  kibibytesPerVm: number
  vms: number
}

/**
 * The resource manager with the driver without guests, over TLS, driven by one client. Rates are per second of the
 * server's processor time, which on an otherwise idle machine is a second of one core. Azurite, which emulator users
 * know, creates and gets its simplest entity in the same run.
 */
export async function bench(o: { json: boolean }): Promise<boolean> {
  const vms = Number(process.env['STRONGROOM_BENCH_VMS'] ?? 10_000)
  const facts = machineFacts()
  step('starts a server without guests')
  const server = await Server.start()
  let figures: Figures
  try {
    figures = await run(server, vms)
  } finally {
    await server.close()
  }
  step('measures Azurite')
  const azurite = await measureAzurite(2_000)
  const known = (name: string, figure: number | undefined): string[] => [
    `Azurite's ${name}`,
    figure === undefined ? 'not installed' : `${figure.toFixed(0)}/s`,
    'for comparison',
    '',
  ]
  const rows: [string, string, string, boolean][] = [
    [
      'VM create, PUT to Succeeded, at 100 VMs',
      `${figures.createPerSecond.at100.toFixed(0)}/s`,
      `≥ ${goals.create}/s`,
      figures.createPerSecond.at100 >= goals.create,
    ],
    [
      `VM create at ${figures.vms} VMs`,
      `${figures.createPerSecond.atMost.toFixed(0)}/s`,
      'no lower than at 100 (−10 %)',
      figures.createPerSecond.atMost >= 0.9 * figures.createPerSecond.at100,
    ],
    ['VM GET', `${figures.getPerSecond.toFixed(0)}/s`, `≥ ${goals.get}/s`, figures.getPerSecond >= goals.get],
    [
      `list of ${listed} VMs`,
      `${figures.listMilliseconds.toFixed(1)} ms`,
      `< ${goals.listMilliseconds} ms`,
      figures.listMilliseconds < goals.listMilliseconds,
    ],
    [
      'memory a VM',
      `${figures.kibibytesPerVm.toFixed(1)} KiB`,
      `< ${goals.kibibytesPerVm} KiB`,
      figures.kibibytesPerVm < goals.kibibytesPerVm,
    ],
  ]
  printReport(o, {
    facts,
    data: { goals, figures, azurite: azurite ?? 'not installed' },
    rows: [
      ['processor time of the server', 'reached', 'wanted', ''],
      ...rows.map(([name, is, wanted, met]) => [name, is, wanted, met ? 'met' : 'missed']),
      known('create of a table entity', azurite?.createPerSecond),
      known('get of a table entity', azurite?.getPerSecond),
    ],
  })
  return rows.every(([, , , met]) => met)
}

/** An installation's quota is meant for tens of VMs. */
async function raiseQuota(server: Server): Promise<void> {
  const subscription = `/subscriptions/${server.subscription}`
  const operator = `${subscription}/providers/Strongroom.Quota`
  const quotas = `${subscription}/providers/Microsoft.Compute/locations/${location}/providers/Microsoft.Quota/quotas`
  const limit = { limitObjectType: 'LimitValue', value: 1_000_000 }
  await server.send('POST', `${operator}/subscriptionKind`, { kind: 'pay-as-you-go' })
  for (const name of ['cores', 'standardDCASv5Family'])
    await server.send('PUT', `${quotas}/${name}`, { properties: { limit, name: { value: name } } })
  const { body } = await server.send('GET', `${operator}/requests`)
  for (const { name } of (body as { value: { name: string }[] }).value)
    await server.send('POST', `${operator}/requests/${name}/grant`, {})
}

async function run(server: Server, vms: number): Promise<Figures> {
  await raiseQuota(server)
  const group = `/subscriptions/${server.subscription}/resourceGroups/bench`
  await server.send('PUT', group, { location })
  const net = `${group}/providers/Microsoft.Network`
  const subnets = Array.from({ length: Math.ceil(vms / 4_000) }, (_, index) => ({
    name: `s${index}`,
    properties: { addressPrefix: `10.${index}.0.0/20` },
  }))
  await server.send('PUT', `${net}/virtualNetworks/net`, {
    location,
    properties: { addressSpace: { addressPrefixes: ['10.0.0.0/8'] }, subnets },
  })
  const nic = async (n: number): Promise<void> => {
    const subnet = { id: `${net}/virtualNetworks/net/subnets/s${Math.floor(n / 4_000)}` }
    await server.send('PUT', `${net}/networkInterfaces/nic${n}`, {
      location,
      properties: { ipConfigurations: [{ name: 'ip', properties: { subnet } }] },
    })
  }
  const vmPath = (n: number): string => `${group}/providers/Microsoft.Compute/virtualMachines/vm${n}`
  const create = async (n: number): Promise<void> => {
    const reply = await server.send('PUT', vmPath(n), vmBody(n, `${net}/networkInterfaces/nic${n}`))
    const operation = new URL(reply.headers['azure-asyncoperation'] ?? '')
    for (;;) {
      await sleep(100)
      const { body } = await server.send('GET', operation.pathname + operation.search)
      const { status } = body as { status: string }
      if (status === 'Succeeded') return
      if (status !== 'InProgress') throw new Error(JSON.stringify(body))
    }
  }
  const rate = async (from: number, to: number): Promise<number> => {
    await pool(from, to, nic)
    const before = await processorSeconds(server.pid)
    await pool(from, to, create)
    return (to - from) / ((await processorSeconds(server.pid)) - before)
  }
  step(`creates ${first} VMs`)
  /** @returns how many there are then */
  const fill = async (from: number, to: number): Promise<number> => {
    const end = performance.now() + mostSeconds * 1000
    let count = from
    while (count < to && performance.now() < end) {
      const next = Math.min(to, count + first)
      await pool(count, next, nic)
      await pool(count, next, create)
      count = next
    }
    return count
  }
  // Warms up compiled code and caches, as in a server that has run for a minute.
  await rate(0, 20)
  const at100 = await rate(20, 20 + first)
  const memoryBefore = await memoryAtRest(server.pid)
  const countBefore = 20 + first
  step(`creates VMs up to ${listed}, lists and gets them`)
  await rate(countBefore, listed)
  const listMilliseconds = await timeOfList(server, `${group}/providers/Microsoft.Compute/virtualMachines`)
  const getPerSecond = await rateOfGets(server, vmPath, listed)
  step(`creates VMs up to ${vms}, or for ${mostSeconds} s`)
  const filled = await fill(listed, vms - first)
  const atMost = await rate(filled, filled + first)
  const memoryAfter = await memoryAtRest(server.pid)
  return {
    createPerSecond: { at100, atMost },
    getPerSecond,
    listMilliseconds,
    kibibytesPerVm: Math.max(0, ((memoryAfter - memoryBefore) * 1024) / (filled + first - countBefore)),
    vms: filled + first,
  }
}

/** The server's memory after it has collected the garbage of the work before. */
async function memoryAtRest(pid: number): Promise<number> {
  await sleep(restMs)
  return await residentMebibytes(pid)
}

/** Processor milliseconds of one list, all its pages: the best of several. */
async function timeOfList(server: Server, path: string): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const before = await processorSeconds(server.pid)
    for (let index = 0; index < 10; index++) await server.send('GET', path)
    best = Math.min(best, (((await processorSeconds(server.pid)) - before) / 10) * 1000)
  }
  return best
}

async function rateOfGets(server: Server, path: (n: number) => string, count: number): Promise<number> {
  let best = 0
  for (let round = 0; round < 3; round++) {
    const before = await processorSeconds(server.pid)
    await pool(0, 5 * count, async (n) => void (await server.send('GET', path(n % count))))
    best = Math.max(best, (5 * count) / ((await processorSeconds(server.pid)) - before))
  }
  return best
}

/** Sixteen at a time. */
async function pool(from: number, to: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = from
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (next < to) await work(next++)
    }),
  )
}

function vmBody(n: number, nicId: string): object {
  const blob = Buffer.concat([
    Buffer.from([0, 0, 0, 11]),
    Buffer.from('ssh-ed25519'),
    Buffer.from([0, 0, 0, 32]),
    Buffer.alloc(32, 7),
  ])
  return {
    location,
    properties: {
      hardwareProfile: { vmSize: size },
      securityProfile: { securityType: 'ConfidentialVM', uefiSettings: { secureBootEnabled: true, vTpmEnabled: true } },
      storageProfile: {
        imageReference: { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' },
        osDisk: {
          createOption: 'FromImage',
          managedDisk: { securityProfile: { securityEncryptionType: 'VMGuestStateOnly' } },
        },
      },
      osProfile: {
        computerName: `vm${n}`,
        adminUsername: 'azureuser',
        linuxConfiguration: {
          ssh: {
            publicKeys: [
              { path: '/home/azureuser/.ssh/authorized_keys', keyData: `ssh-ed25519 ${blob.toString('base64')}` },
            ],
          },
        },
      },
      networkProfile: { networkInterfaces: [{ id: nicId }] },
    },
  }
}

interface Reply {
  status: number
  headers: Record<string, string>
  body: unknown
}

/** One strongroomd without guests, and a client that keeps its connections. */
class Server {
  readonly subscription: string
  readonly #home: string
  readonly #child: ChildProcess
  readonly #agent: Agent
  readonly #port: number
  readonly #token: string

  private constructor(o: {
    home: string
    child: ChildProcess
    agent: Agent
    port: number
    subscription: string
    token: string
  }) {
    this.#home = o.home
    this.#child = o.child
    this.#agent = o.agent
    this.#port = o.port
    this.#token = o.token
    this.subscription = o.subscription
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  static async start(): Promise<Server> {
    const home = await mkdtemp(join(tmpdir(), 'strongroom-bench-'))
    const stateDir = join(home, 'state')
    const [tls, local] = [await freePort(), await freePort()]
    const command = await serverCommand({
      stateDir,
      cacheDir: join(home, 'cache'),
      tlsPort: String(tls),
      localPort: String(local),
      compute: 'simulated',
    })
    const child = spawn(command.file, command.args, {
      env: { PATH: process.env['PATH'], HOME: home, ...command.env },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    await new Promise<void>((done, fail) => {
      child.once('message', () => done())
      child.once('exit', (code) => fail(new Error(`the server ended with ${code}`)))
    }).catch(async (error: unknown) => {
      await rm(home, { recursive: true, force: true })
      throw error
    })
    const record = JSON.parse(await readFile(join(stateDir, 'server.json'), 'utf8')) as {
      subscriptionId: string
      caPath: string
    }
    const issued = await askAsOwner<{ access_token: string }>(join(stateDir, 'run/owner.sock'), '/token', {
      audience: 'https://management.azure.com/',
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 16, ca: await readFile(record.caPath, 'utf8') })
    return new Server({
      home,
      child,
      agent,
      port: tls,
      subscription: record.subscriptionId,
      token: issued.access_token,
    })
  }

  async send(method: string, path: string, body?: object): Promise<Reply> {
    const host = 'management.strongroom.internal'
    const url = path.includes('api-version') ? path : `${path}?api-version=2024-11-01`
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const reply = await new Promise<Reply>((done, fail) => {
      const sent = httpsRequest(
        {
          agent: this.#agent,
          method,
          host: '127.0.0.1',
          servername: host,
          port: this.#port,
          path: url,
          headers: {
            host,
            authorization: `Bearer ${this.#token}`,
            ...(payload !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(payload),
            }),
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8')
            done({
              status: response.statusCode ?? 0,
              headers: response.headers as Record<string, string>,
              body: text === '' ? undefined : JSON.parse(text),
            })
          })
        },
      )
      sent.on('error', fail)
      sent.end(payload)
    })
    if (reply.status >= 400) throw new Error(`${method} ${path}: ${JSON.stringify(reply.body)}`)
    return reply
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    const ended = new Promise((done) => this.#child.once('exit', done))
    this.#child.kill('SIGTERM')
    await ended
    await rm(this.#home, { recursive: true, force: true })
  }
}
