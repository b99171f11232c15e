import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort, issueSelfSigned } from '@strongroom/platform'
import { processorSeconds } from '../support/process.ts'

const here = import.meta.dirname
const program = join(here, 'node_modules/.bin/azurite-table')
/** Published with Azurite, the same in every copy. */
const account = 'devstoreaccount1'
const accountKey = Buffer.from(
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  'base64',
)

export interface AzuriteFigures {
  createPerSecond: number
  getPerSecond: number
}

/**
 * Azurite's simplest entity in a table, created and read over TLS by sixteen clients at a time, per second of its
 * processor time. Undefined if the package cannot be installed.
 */
export async function measureAzurite(entities: number): Promise<AzuriteFigures | undefined> {
  if (!existsSync(program)) {
    // A separate package tree, not needed to build, test or run anything else.
    const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts']
    const installed = await promisify(execFile)('npm', args, { cwd: here }).catch(() => undefined)
    if (installed === undefined) return undefined
  }
  const home = await mkdtemp(join(tmpdir(), 'strongroom-azurite-'))
  const { child, port, ca } = await start(home)
  const agent = new Agent({ keepAlive: true, maxSockets: 16, ca })
  try {
    await untilReady(agent, port)
    await send(agent, port, { method: 'POST', path: 'Tables', body: { TableName: 'bench' } })
    const entity = (n: number): object => ({ PartitionKey: 'p', RowKey: String(n), Name: `vm${n}`, State: 'Succeeded' })
    const create = async (n: number): Promise<void> =>
      await send(agent, port, { method: 'POST', path: 'bench', body: entity(n) })
    const get = async (n: number): Promise<void> =>
      await send(agent, port, { method: 'GET', path: `bench(PartitionKey='p',RowKey='${n % entities}')` })
    await pool(-200, 0, create)
    const createPerSecond = await rate(child, entities, create)
    await pool(0, 200, get)
    const getPerSecond = await rate(child, 5 * entities, get)
    return { createPerSecond, getPerSecond }
  } finally {
    agent.destroy()
    const ended = new Promise((done) => child.once('exit', done))
    child.kill('SIGTERM')
    await ended
    await rm(home, { recursive: true, force: true })
  }
}

async function rate(child: ChildProcess, count: number, work: (n: number) => Promise<void>): Promise<number> {
  const before = await processorSeconds(child.pid ?? 0)
  await pool(0, count, work)
  return count / ((await processorSeconds(child.pid ?? 0)) - before)
}

async function start(home: string): Promise<{ child: ChildProcess; port: number; ca: string }> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const day = 24 * 3600_000
  const ca = issueSelfSigned({
    subject: 'CN=azurite',
    privateKey,
    usages: ['digitalSignature'],
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + day),
  })
  const [certificate, key] = [join(home, 'cert.pem'), join(home, 'key.pem')]
  await writeFile(certificate, ca)
  await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const port = await freePort()
  const args = ['--silent', '--disableTelemetry', '--location', home, '--tablePort', String(port)]
  const child = spawn(process.execPath, [program, ...args, '--cert', certificate, '--key', key], {
    env: { PATH: process.env['PATH'], HOME: home },
    stdio: 'ignore',
  })
  return { child, port, ca }
}

async function untilReady(agent: Agent, port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const answered = await send(agent, port, { method: 'GET', path: 'Tables' }).then(
      () => true,
      () => false,
    )
    if (answered) return
    await sleep(100)
  }
  throw new Error('Azurite did not start')
}

/** Shared Key Lite of the Table service: the date and the resource, under the account's key. */
async function send(agent: Agent, port: number, o: { method: string; path: string; body?: object }): Promise<void> {
  const date = new Date().toUTCString()
  const signed = `${date}\n/${account}/${account}/${o.path}`
  const signature = createHmac('sha256', accountKey).update(signed, 'utf8').digest('base64')
  const payload = o.body === undefined ? undefined : JSON.stringify(o.body)
  await new Promise<void>((done, fail) => {
    const sent = httpsRequest(
      {
        agent,
        method: o.method,
        host: '127.0.0.1',
        port,
        path: `/${account}/${o.path}`,
        // The certificate is made for this run, without a name.
        checkServerIdentity: () => undefined,
        headers: {
          'x-ms-date': date,
          'x-ms-version': '2019-02-02',
          accept: 'application/json;odata=nometadata',
          prefer: 'return-no-content',
          authorization: `SharedKeyLite ${account}:${signature}`,
          ...(payload !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(payload),
          }),
        },
      },
      (response) => {
        response.resume()
        response.on('end', () =>
          (response.statusCode ?? 500) < 300
            ? done()
            : fail(new Error(`${o.method} ${o.path}: ${response.statusCode}`)),
        )
      },
    )
    sent.on('error', fail)
    sent.end(payload)
  })
}

async function pool(from: number, to: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = from
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (next < to) await work(next++)
    }),
  )
}
