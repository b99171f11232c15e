import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  appended,
  emptyFrontier,
  formatBundle,
  formatCheckpoint,
  formatNoteKey,
  leafHash,
  parseTilePath,
  rootOf,
  signNote,
  tileWidth,
  type NoteKey,
} from '@strongroom/transparency'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { logCommands } from './log.ts'

const origin = 'platform.vault.strongroom.internal/operationlog'

/** A vault that serves whatever a test puts into it, signed or not. */
interface FakeLog {
  entries: Uint8Array[]
  /** The signed content, if it differs from the entries. */
  signed?: Uint8Array[]
  missing?: (path: string) => boolean
  key: NoteKey
  privateKey: KeyObject
}

function fakeLog(count: number): FakeLog {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = Uint8Array.from(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))
  return { entries: entriesOf(count), key: { name: origin, publicKey: raw }, privateKey }
}

function entriesOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    Buffer.from(JSON.stringify({ v: 1, operation: 'release', keyName: `vm-${index % 2}`, verdict: 'allowed' })),
  )
}

function bodyOf(log: FakeLog, path: string): Uint8Array {
  if (path === 'key') return Buffer.from(`${formatNoteKey(log.key)}\n`)
  const frontier = (log.signed ?? log.entries).reduce((tree, entry) => appended(tree, leafHash(entry)), emptyFrontier)
  if (path === 'checkpoint') {
    const text = formatCheckpoint({ origin, size: frontier.size, root: rootOf(frontier) })
    return Buffer.from(signNote(text, log.key, (message) => sign(null, message, log.privateKey)))
  }
  const tile = parseTilePath(path)!
  const items = log.entries.slice(tile.index * tileWidth, tile.index * tileWidth + tile.width)
  return tile.level === 'entries' ? formatBundle(items) : Buffer.concat(items.map((item) => leafHash(item)))
}

let config: string
beforeEach(async () => {
  config = await mkdtemp(join(tmpdir(), 'strongroom-log-'))
})
afterEach(() => rm(config, { recursive: true }))

function run(log: FakeLog, word: string, options: Record<string, string> = {}, args: string[] = []): Promise<Result> {
  const command = logCommands.find(({ words }) => words[1] === word)!
  const context = {
    args,
    options,
    paths: { config },
    connect: () =>
      Promise.resolve({
        server: { tenantId: 'tenant' },
        ownerToken: () => Promise.resolve('token'),
        https: {
          request: ({ url }: { url: string }) => {
            const path = url.slice(`https://${origin}/`.length)
            const missing = log.missing?.(path) === true
            const bytes = missing ? new Uint8Array(0) : bodyOf(log, path)
            return Promise.resolve({ status: missing ? 404 : 200, headers: {}, text: '', json: undefined, bytes })
          },
        },
      }),
  }
  return command.run(context as unknown as CommandContext) as Promise<Result>
}

describe('strongroom log verify', () => {
  it('accepts a whole log, and a longer one that continues it', async () => {
    const log = fakeLog(300)
    expect((await run(log, 'verify')).data).toMatchObject({ origin, size: 300, since: undefined })
    log.entries.push(...entriesOf(10))
    expect((await run(log, 'verify')).data).toMatchObject({ size: 310, since: 300 })
  })

  it('finds an edited entry, with exit code 6', async () => {
    const log = fakeLog(300)
    log.signed = [...log.entries]
    log.entries[17] = Buffer.from('{"verdict":"refused"}')
    await expect(run(log, 'verify')).rejects.toMatchObject({ code: 'RootMismatch', exitCode: 6 })
    await expect(run(log, 'verify', { entry: '17' })).rejects.toMatchObject({ code: 'RootMismatch' })
  })

  it('finds entries that were taken out under a checkpoint that still counts them', async () => {
    const log = fakeLog(300)
    log.missing = (path) => path === 'tile/entries/001.p/44'
    await expect(run(log, 'verify')).rejects.toMatchObject({ code: 'Missing', exitCode: 6 })
  })

  it('finds a log that was cut, and one that was forked, though its own key signed them', async () => {
    const log = fakeLog(20)
    await run(log, 'verify')
    const whole = log.entries
    log.entries = whole.slice(0, 12)
    await expect(run(log, 'verify')).rejects.toMatchObject({ code: 'LogCut', exitCode: 6 })
    log.entries = whole.with(3, Buffer.from('{}')).concat(entriesOf(4))
    await expect(run(log, 'verify')).rejects.toMatchObject({ code: 'LogForked', exitCode: 6 })
    log.entries = whole
    expect((await run(log, 'verify')).data).toMatchObject({ size: 20, since: 20 })
  })

  it('holds to the key that it knows', async () => {
    const [log, other] = [fakeLog(5), fakeLog(5)]
    await run(log, 'verify')
    await expect(run(other, 'verify')).rejects.toMatchObject({ code: 'SignatureInvalid' })
    const key = formatNoteKey(other.key)
    await expect(run(other, 'verify', { key })).rejects.toMatchObject({ code: 'LogKeyChanged', exitCode: 6 })
  })

  it('holds to a key that it is given at first', async () => {
    const [log, other] = [fakeLog(5), fakeLog(5)]
    await expect(run(log, 'verify', { key: formatNoteKey(other.key) })).rejects.toMatchObject({
      code: 'SignatureInvalid',
    })
    await expect(run(log, 'verify', { key: 'nonsense' })).rejects.toMatchObject({ code: 'Malformed' })
    expect((await run(log, 'verify', { key: formatNoteKey(log.key) })).data).toMatchObject({ size: 5 })
  })

  it('does not take an unreadable memory for none', async () => {
    const log = fakeLog(5)
    await run(log, 'verify')
    await writeFile(join(config, 'operation-logs/tenant/platform.json'), '{')
    await expect(run(log, 'verify')).rejects.toMatchObject({ code: 'RememberedCheckpointUnreadable', exitCode: 6 })
  })

  it('proves one entry, and refuses one that the log does not have', async () => {
    const log = fakeLog(40)
    expect((await run(log, 'verify', { entry: '39' })).data).toMatchObject({ index: 39, size: 40 })
    await expect(run(log, 'verify', { entry: '40' })).rejects.toMatchObject({ code: 'EntryNotFound', exitCode: 4 })
    await expect(run(log, 'verify', { entry: 'x' })).rejects.toMatchObject({ code: 'InvalidArgument', exitCode: 2 })
    await expect(run(log, 'verify', {}, ['../x'])).rejects.toMatchObject({ code: 'InvalidArgument' })
  })
})

describe('strongroom log show', () => {
  it('shows the last entries of one key', async () => {
    const { table } = await run(fakeLog(20), 'show', { of: 'VM-1', last: '3' })
    expect(table!.rows.map((row) => row[0])).toEqual(['15', '17', '19'])
  })

  it('shows who asked, and what it came through', async () => {
    const log = fakeLog(0)
    const by = { objectId: 'alice', appId: 'az' }
    log.entries = [
      by,
      { ...by, via: { service: 'control-plane', objectId: 'cp', appId: 'cp-app' } },
      { via: null },
    ].map((entry) => Buffer.from(JSON.stringify({ v: 1, operation: 'vault/create', ...entry })))
    const { table } = await run(log, 'show')
    expect(table!.columns.slice(-3)).toEqual(['Caller', 'Application', 'Via'])
    expect(table!.rows.map((row) => row.slice(-3))).toEqual([
      ['alice', 'az', ''],
      ['alice', 'az', 'control-plane'],
      ['', '', ''],
    ])
  })

  it('shows nothing of a log that does not verify', async () => {
    const log = fakeLog(20)
    log.signed = log.entries.slice(1)
    await expect(run(log, 'show')).rejects.toMatchObject({ exitCode: 6 })
  })
})
