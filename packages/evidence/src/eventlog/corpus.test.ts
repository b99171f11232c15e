import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError } from '../core/errors.ts'
import type { HashName } from './algorithms.ts'
import { bootClaims } from './boot-claims.ts'
import { parseEventLog } from './event-log.ts'
import { replay, replayRtmrs, verifyEventLog } from './replay.ts'
import { corpusDirectory, hasCorpus } from '../testing/corpus-directory.ts'

const corpus = `${corpusDirectory}/`

interface Entry {
  path: string
  kind: string
  expected: {
    outcome: string
    events?: number
    format?: string
    /** Data of the variable in hexadecimal; empty if it is empty, null if it is not in the log. */
    secureBootVar?: string | null
    replayed?: Record<string, Record<string, string>> | null
    expectedPCRs?: Record<string, Record<string, string>>
    expectedRTMRs?: Record<string, string>
    negative?: string
  }
  parsed: { log?: { consumed: number } }
}

function load(path: string): Uint8Array {
  const bytes = readFileSync(corpus + path)
  if (path.endsWith('.b64')) return Buffer.from(bytes.toString('latin1'), 'base64')
  if (!path.endsWith('.json')) return bytes
  return Buffer.from(
    (JSON.parse(bytes.toString()) as { Log: { Raw?: string } & Record<string, string> }).Log.Raw ?? '',
    'base64',
  )
}

describe.skipIf(!hasCorpus)('event logs of real machines', () => {
  const entries = hasCorpus ? (JSON.parse(readFileSync(`${corpus}MANIFEST.json`, 'utf8')) as Entry[]) : []
  const logs = entries.filter((entry) => entry.kind === 'tcg-eventlog' || entry.kind === 'ccel')

  it.each(logs.filter((entry) => entry.parsed.log === undefined).map((entry) => entry.path))(
    '%s is refused',
    (path) => {
      expect(() => parseEventLog(load(path))).toThrow(ParseError)
    },
  )

  it.each(logs.filter((entry) => entry.parsed.log !== undefined).map((entry) => [entry.path, entry] as const))(
    '%s is read whole and replays to the registers of its machine',
    async (path, { expected }) => {
      const log = parseEventLog(load(path))
      expect(log.format).toBe(expected.format)
      if (expected.events !== undefined) expect(log.events.length).toBe(expected.events)
      for (const [bank, registers] of Object.entries(expected.replayed ?? {})) {
        const replayed = await replay(log, bank as HashName)
        expect(Object.fromEntries([...replayed].map(([register, value]) => [String(register), toHex(value)]))).toEqual(
          registers,
        )
      }
      for (const [register, value] of Object.entries(expected.expectedRTMRs ?? {})) {
        const found = (await replayRtmrs(log)).get(Number(register.slice(4)))
        expect(found === undefined ? '00'.repeat(48) : toHex(found)).toBe(value)
      }
    },
  )

  it.each(
    logs.filter((entry) => entry.expected.secureBootVar !== undefined).map((entry) => [entry.path, entry] as const),
  )(
    '%s: Secure Boot is what the log says where its digests bear it, and nothing else',
    async (path, { kind, expected }) => {
      const log = parseEventLog(load(path))
      const bank = log.algorithms.find((name) => name === (kind === 'ccel' ? 'sha384' : 'sha256')) ?? 'sha1'
      if (!log.algorithms.includes(bank)) return
      const registers = await replay(log, bank)
      const { secureBoot } = await bootClaims(
        await verifyEventLog({ log, bank, registers }),
        kind === 'ccel' ? 'td' : 'tpm',
      )
      // Logs of TPM 1.2 may measure only the variable’s value, and partial logs have no separator: then there is no claim.
      if (log.format === 'sha1' && secureBoot === undefined) return
      if (expected.secureBootVar === null) expect(secureBoot).toBeUndefined()
      else expect(secureBoot?.enabled).toBe(expected.secureBootVar === '01')
    },
  )

  it('refuses the edits that a real log must not survive', async () => {
    const bytes = load('google-go-eventlog/tpm/ubuntu-1804-amd-sev.bin')
    const genuine = await replay(parseEventLog(bytes), 'sha256')
    const flip = (offset: number): Uint8Array => bytes.map((byte, at) => (at === offset ? byte ^ 1 : byte))
    await expect(
      verifyEventLog({ log: parseEventLog(bytes), bank: 'sha256', registers: genuine }),
    ).resolves.toBeDefined()
    await expect(
      verifyEventLog({ log: parseEventLog(flip(3292)), bank: 'sha256', registers: genuine }),
    ).rejects.toMatchObject({ code: 'EventLogMismatch', found: expect.any(String) as string })
    expect(() => parseEventLog(bytes.subarray(0, 26008))).toThrow(ParseError)
    await expect(
      verifyEventLog({ log: parseEventLog(flip(3378)), bank: 'sha256', registers: genuine }),
    ).rejects.toMatchObject({ code: 'EventLogMismatch' })
  })
})
