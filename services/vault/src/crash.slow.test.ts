import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { createSealer, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import type { Acknowledged, CrashOrder } from './testing/crash-child.ts'
import { loggedIn } from './testing/logged.ts'
import { b64, startTenant, type Tenant } from './testing/tenant.ts'
import { principalIds } from './testing/test-vault.ts'

/** More with STRONGROOM_CRASH_ROUNDS. */
const rounds = Number(process.env.STRONGROOM_CRASH_ROUNDS ?? 4)

describeStores('a vault that is killed under load', (open) => {
  it(
    `loses nothing it acknowledged, tears nothing, and log and keys agree (${rounds} rounds)`,
    async () => {
      const store = await open()
      const masterKey = randomBytes(32)
      const sealer = createSealer(masterKey)
      const tenant = await startTenant(store, { sealer })
      let acknowledged = 0
      for (let round = 0; round < rounds; round++) {
        const order = { url: store.url, service: store.service, masterKey: masterKey.toString('hex') }
        const lines = await loadUntilKilled({ ...order, objectId: principalIds.alice, prefix: `r${round}` }, round)
        acknowledged += lines.length
        await expectKept(tenant, lines)
        await expectAgreement(store)
        expect((await tenant.vault.service.verifyOperationLog()).broken).toBeUndefined()
      }
      expect(acknowledged).toBeGreaterThan(rounds)
      await tenant.vault.close()
    },
    60_000 + rounds * 20_000,
  )
})

/** Kills the child at an unpredictable moment after its second acknowledged write. */
async function loadUntilKilled(order: CrashOrder, round: number): Promise<Acknowledged[]> {
  const child = spawn(
    process.execPath,
    [
      '--conditions=x-source',
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, 'testing/crash-child.ts'),
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  let out = ''
  let errors = ''
  const killed = new Promise<void>((done) => child.once('close', () => done()))
  let started = false
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString('utf8')
    if (started || out.split('\n').length < 3) return
    started = true
    setTimeout(() => child.kill('SIGKILL'), 30 + ((round * 97 + randomBytes(1)[0]!) % 300))
  })
  child.stderr.on('data', (chunk: Buffer) => void (errors += chunk.toString('utf8')))
  child.stdin.end(JSON.stringify(order))
  await killed
  if (!started) throw new Error(`the vault did not start: ${errors}`)
  expect(child.signalCode).toBe('SIGKILL')
  // Truncated output was not acknowledged.
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Acknowledged)
}

async function expectKept({ ok }: Tenant, lines: Acknowledged[]): Promise<void> {
  const tags = new Map<string, number>()
  for (const line of lines) {
    if (line.op === 'update') tags.set(line.name, Math.max(line.n, tags.get(line.name) ?? 0))
    if (line.op === 'secret') expect((await ok('GET', `/secrets/${line.name}`)).value).toBe(line.value)
    if (line.op !== 'create') continue
    expect((await ok('GET', `/keys/${line.name}`)).key.kid).toContain(line.version)
    // Torn material would not open.
    const body = { alg: 'ES256', value: b64(Buffer.alloc(32)) }
    expect((await ok('POST', `/keys/${line.name}/sign`, body)).value).toHaveLength(86)
  }
  for (const [name, n] of tags) {
    // One more may have been written, its answer lost.
    expect(Number((await ok('GET', `/keys/${name}`)).tags.n)).toBeGreaterThanOrEqual(n)
  }
}

/** Every version has its entry, and every entry its version: one transaction writes both. */
async function expectAgreement(store: Store): Promise<void> {
  const rows = (await store.db.selectFrom('key_version').select('version').where('vault', '=', 'kv1').execute()) as {
    version: string
  }[]
  const logged = (await loggedIn(store, 'kv1')).filter(({ operation }) => operation === 'create')
  expect(logged).toHaveLength(rows.length)
  expect(new Set(logged.map(({ keyVersion }) => keyVersion))).toEqual(new Set(rows.map(({ version }) => version)))
}
